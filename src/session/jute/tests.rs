//! Tests of the codec with bytes as written by ZooKeeper, and with arbitrary bytes.

use proptest::prelude::*;

use super::*;

/// Decodes the output of `BinaryOutputArchive` from hexadecimal digits.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}

#[test]
fn requests_are_encoded_like_those_of_the_java_client() {
    let password = [7; 2];
    let connect = Request::Connect { last_zxid: 5, timeout: 6000, session: 9, password: &password };
    for (request, expected) in [
        (connect, "0000001f 00000000 0000000000000005 00001770 0000000000000009 00000002 0707 00"),
        (Request::Auth("u:p"), "0000001d fffffffc 00000064 00000000 00000006 646967657374 00000003 753a70"),
        (Request::Ping, "00000008 fffffffe 0000000b"),
        (Request::Close, "00000008 00000000 fffffff5"),
        (
            Request::Create("/a", b"0", &[Acl::open()], true),
            "00000032 00000000 00000001 00000002 2f61 00000001 30 00000001 0000001f 00000005 776f726c64 \
             00000006 616e796f6e65 00000001",
        ),
        (Request::Delete("/a"), "00000012 00000000 00000002 00000002 2f61 ffffffff"),
        (Request::Exists("/a"), "0000000f 00000000 00000003 00000002 2f61 00"),
        (Request::GetData("/a", true), "0000000f 00000000 00000004 00000002 2f61 01"),
        (Request::SetData("/a", b"1"), "00000017 00000000 00000005 00000002 2f61 00000001 31 ffffffff"),
        (Request::GetChildren("/a"), "0000000f 00000000 00000008 00000002 2f61 00"),
    ] {
        assert_eq!(request.encode(), hex(expected), "{request:?}");
    }
    let mut frame = Request::Delete("/a").encode();
    number(&mut frame, 0x0102_0304);
    assert_eq!(frame[4..8], [1, 2, 3, 4]);
}

#[test]
fn permissions_have_the_bits_of_zookeeper() {
    let of = |text: &str| Acl::from(&text.parse::<AclEntry>().expect("an ACL"));
    assert_eq!(of("world:anyone:cdrwa"), Acl::open());
    assert_eq!(of("world:anyone:r"), Acl::readable());
    assert_eq!(of("auth::rwcda"), Acl::creator());
    let bits = ["r", "w", "c", "d", "a"].map(|letter| of(&format!("ip:10.0.0.1:{letter}")).permissions);
    assert_eq!(bits, [1, 2, 4, 8, 16]);
}

#[test]
fn frames_are_split_from_the_stream() {
    assert_eq!(first_frame(&hex("000000")), Ok(None));
    assert_eq!(first_frame(&hex("00000002 aa")), Ok(None));
    assert_eq!(first_frame(&hex("00000002 aabb cc")), Ok(Some((&[0xaa, 0xbb][..], 6))));
    assert_eq!(first_frame(&hex("00000000")), Ok(Some((&[][..], 4))));
    for length in ["ffffffff", "80000000", "7fffffff", "00400001"] {
        assert_eq!(first_frame(&hex(length)), Err(Malformed), "{length}");
    }
}

#[test]
fn replies_of_servers_are_decoded() {
    let connected = "00000000 00001770 0000000000001234 00000003 070809 00";
    let connected = ConnectResponse::decode(&hex(connected)).expect("a response");
    assert_eq!(connected, ConnectResponse { timeout: 6000, session: 0x1234, password: vec![7, 8, 9] });
    let frame = hex("00000007 0000000000000100 ffffff9b 61");
    let (header, body) = ReplyHeader::decode(&frame).expect("a header");
    assert_eq!((header, body), (ReplyHeader { xid: 7, zxid: 256, error: -101 }, &b"a"[..]));
    let stat = "0000000000000001 0000000000000002 0000000000000003 0000000000000004 00000005 00000006 00000007 \
                0000000000000008 00000009 0000000a 000000000000000b";
    let expected = Stat { mtime: 4, ephemeral_owner: 8, data_length: 9, num_children: 10 };
    assert_eq!(Stat::decode(&hex(stat)), Ok(expected));
    assert_eq!(data_and_stat(&hex(&format!("00000002 6869 {stat}"))), Ok((&b"hi"[..], expected)));
    assert_eq!(data_and_stat(&hex(&format!("ffffffff {stat}"))), Ok((&b""[..], expected)), "null");
    assert_eq!(created(&hex("00000002 2f61")), Ok("/a"));
    let names = |text: &str| children(&hex(text)).map(|names| names.map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(names("00000002 00000001 61 00000002 6263"), Ok(vec!["a".to_owned(), "bc".to_owned()]));
    assert_eq!(names("ffffffff"), Ok(Vec::new()), "null");
    assert_eq!(event(&hex("00000003 00000003 00000002 2f61")), Ok((EventKind::DataChanged, "/a")));
}

#[test]
fn counts_and_lengths_are_limited_by_the_available_bytes() {
    for list in ["7fffffff", "40000005 00000001 61", "fffffffe", "00000001 7fffffff 61", "00000001 fffffffe"] {
        assert!(children(&hex(list)).is_err(), "{list}");
    }
    for buffer in ["7fffffff 61", "fffffffe", "00000002 61", "000000"] {
        assert!(data_and_stat(&hex(buffer)).is_err() && created(&hex(buffer)).is_err(), "{buffer}");
    }
    let long = format!("00000000 00001770 0000000000001234 00000041 {}", "00".repeat(65));
    assert_eq!(ConnectResponse::decode(&hex(&long)), Err(Malformed), "no session has such a password");
}

#[test]
fn invalid_names_of_znodes_are_refused() {
    for name in ["", "2e", "2e2e", "612f62", "00", "61c285", "1b5b", "ff"] {
        let list = format!("00000001 {:08x} {name}", name.len() / 2);
        assert!(children(&hex(&list)).is_err(), "{name}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_malformed(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = (ConnectResponse::decode(&bytes), Stat::decode(&bytes), created(&bytes), event(&bytes));
        if let Ok((data, _)) = data_and_stat(&bytes) {
            prop_assert!(data.len() + 72 <= bytes.len());
        }
        if let Ok(names) = children(&bytes) {
            let (count, length) = names.fold((0, 0), |(count, length), name| (count + 1, length + name.len()));
            prop_assert!(4 + 4 * count + length <= bytes.len());
        }
    }
}
