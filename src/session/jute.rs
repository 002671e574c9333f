//! ZooKeeper's wire format, as far as sessions need it. Decoding is total: no length is trusted beyond the available
//! bytes, and no allocation depends on an announced length.
//!
//! Sources: the records of `zookeeper.jute`, their primitives in `org.apache.jute.BinaryOutputArchive` (big endian,
//! a length of four bytes before strings, buffers and vectors, -1 for null), the numbers of `ZooDefs.OpCode`. They are
//! the same from ZooKeeper 3.4 to 3.9.

use crate::config::znode::AclEntry;

/// Bytes that are not the expected record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Maximum size of a frame: four times `jute.maxbuffer`, enough for a list of 100 000 children.
pub const MAX_FRAME_BYTES: usize = 4 << 20;

/// Maximum length of a session password; ZooKeeper uses 16 bytes (`ZooKeeperServer.generatePasswd`).
const MAX_PASSWORD_BYTES: usize = 64;

/// `xid` of watch events, pings and authentication (`ClientCnxn`).
pub(super) const EVENT_XID: i32 = -1;
pub(super) const PING_XID: i32 = -2;
pub(super) const AUTH_XID: i32 = -4;

/// The first complete frame of a stream, and its size including the length field; `None` while bytes are missing
/// (`ClientCnxnSocketNIO.readLength`).
///
/// # Errors
/// If the announced length is negative or above [`MAX_FRAME_BYTES`].
pub fn first_frame(stream: &[u8]) -> Result<Option<(&[u8], usize)>, Malformed> {
    let Some((length, rest)) = stream.split_first_chunk() else { return Ok(None) };
    let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| Malformed)?;
    if length > MAX_FRAME_BYTES {
        return Err(Malformed);
    }
    Ok(rest.get(..length).map(|frame| (frame, length + 4)))
}

/// The undecoded bytes of a frame.
#[derive(Clone, Copy, Debug)]
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    fn int(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    fn long(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    /// A length or count; null is treated as empty.
    fn length(&mut self) -> Result<usize, Malformed> {
        let length = self.int()?;
        if length == -1 { Ok(0) } else { usize::try_from(length).map_err(|_| Malformed) }
    }

    fn buffer(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.length()?;
        let (buffer, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(buffer)
    }

    fn string(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.buffer()?).map_err(|_| Malformed)
    }

    /// The name of a child: a valid component of a path (`PathUtils.validatePath`).
    fn name(&mut self) -> Result<&'a str, Malformed> {
        let name = self.string()?;
        let is_part = !matches!(name, "" | "." | "..") && !name.contains('/') && !name.chars().any(char::is_control);
        if is_part { Ok(name) } else { Err(Malformed) }
    }
}

/// `proto.ConnectResponse`, without the trailing `readOnly`, which only clients that request it receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectResponse {
    /// The granted timeout in milliseconds; 0 or less means that the session has expired.
    pub timeout: i32,
    /// The session id.
    pub session: i64,
    /// The secret that authorizes continuing the session on another connection.
    pub password: Vec<u8>,
}

impl ConnectResponse {
    /// Decodes a frame.
    ///
    /// # Errors
    /// If the frame is not this record.
    pub fn decode(frame: &[u8]) -> Result<Self, Malformed> {
        let mut input = Input(frame);
        let (_version, timeout, session) = (input.int()?, input.int()?, input.long()?);
        let password = input.buffer()?;
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(Malformed);
        }
        Ok(Self { timeout, session, password: password.to_vec() })
    }
}

/// `proto.ReplyHeader`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHeader {
    /// The number of the request, or a negative constant for events, pings and authentication.
    pub xid: i32,
    /// The last transaction known to the server.
    pub zxid: i64,
    /// 0, or a code of `KeeperException.Code`.
    pub error: i32,
}

impl ReplyHeader {
    /// Decodes the beginning of a frame; the rest is the body.
    ///
    /// # Errors
    /// If the frame is too short.
    pub fn decode(frame: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let mut input = Input(frame);
        let header = Self { xid: input.int()?, zxid: input.long()?, error: input.int()? };
        Ok((header, input.0))
    }
}

/// The used fields of `data.Stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Time of the last change, in milliseconds since 1970 by the ensemble's clock.
    pub mtime: i64,
    /// The session that an ephemeral znode belongs to; 0 for a persistent one.
    pub ephemeral_owner: i64,
    /// Size of the data in bytes, as reported by the server; not verified.
    pub data_length: i32,
    /// Number of children, as reported by the server; not verified.
    pub num_children: i32,
}

impl Stat {
    /// Decodes the body of `proto.ExistsResponse` and `proto.SetDataResponse`.
    ///
    /// # Errors
    /// If the body is too short.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        Self::read(&mut Input(body))
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let (_czxid, _mzxid, _ctime, mtime) = (input.long()?, input.long()?, input.long()?, input.long()?);
        let (_version, _cversion, _aversion) = (input.int()?, input.int()?, input.int()?);
        let (ephemeral_owner, data_length, num_children) = (input.long()?, input.int()?, input.int()?);
        let _pzxid = input.long()?;
        Ok(Self { mtime, ephemeral_owner, data_length, num_children })
    }
}

/// Decodes `proto.GetDataResponse`: the data and the stat.
///
/// # Errors
/// If the body is not this record.
pub fn data_and_stat(body: &[u8]) -> Result<(&[u8], Stat), Malformed> {
    let mut input = Input(body);
    Ok((input.buffer()?, Stat::read(&mut input)?))
}

/// Decodes `proto.CreateResponse`: the path.
///
/// # Errors
/// If the body is not this record.
pub fn created(body: &[u8]) -> Result<&str, Malformed> {
    Input(body).string()
}

/// Decodes `proto.GetChildrenResponse`: the names, each a view into the body.
///
/// # Errors
/// If the body is not this record, or a name is not valid for a znode.
pub fn children(body: &[u8]) -> Result<impl Iterator<Item = &str>, Malformed> {
    let mut input = Input(body);
    let count = input.length()?;
    let mut check = input;
    for _ in 0..count {
        check.name()?;
    }
    // Cannot fail: all names were decoded above.
    Ok((0..count).map_while(move |_| input.name().ok()))
}

/// The event of a watched znode (`Watcher.Event.EventType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `NodeDataChanged`
    DataChanged,
    /// Any other type.
    Other,
}

/// Decodes `proto.WatcherEvent`: the event and the path.
///
/// # Errors
/// If the body is not this record.
pub fn event(body: &[u8]) -> Result<(EventKind, &str), Malformed> {
    let mut input = Input(body);
    let (kind, _state) = (input.int()?, input.int()?);
    let kind = if kind == 3 { EventKind::DataChanged } else { EventKind::Other };
    Ok((kind, input.string()?))
}

/// An entry of an ACL (`data.ACL` and `data.Id`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// Bits of `ZooDefs.Perms`.
    permissions: i32,
    scheme: String,
    id: String,
}

impl Acl {
    /// All permissions for everyone (`ZooDefs.Ids.OPEN_ACL_UNSAFE`).
    #[must_use]
    pub fn open() -> Self {
        Self { permissions: 31, scheme: "world".to_owned(), id: "anyone".to_owned() }
    }

    /// Read permission for everyone (`READ_ACL_UNSAFE`).
    #[must_use]
    pub fn readable() -> Self {
        Self { permissions: 1, ..Self::open() }
    }

    /// All permissions for the identities of the creating session (`CREATOR_ALL_ACL`).
    #[must_use]
    pub fn creator() -> Self {
        Self { permissions: 31, scheme: "auth".to_owned(), id: String::new() }
    }
}

impl From<&AclEntry> for Acl {
    fn from(entry: &AclEntry) -> Self {
        let bits = entry.permissions.chars().map(|letter| match letter {
            'r' => 1,
            'w' => 2,
            'c' => 4,
            'd' => 8,
            _ => 16,
        });
        let permissions = bits.fold(0, |sum, bit| sum | bit);
        Self { permissions, scheme: entry.scheme.clone(), id: entry.id.clone() }
    }
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// `proto.ConnectRequest`, which has no header; id 0 requests a new session.
    Connect {
        /// The last transaction seen; a server that is behind it refuses the session.
        last_zxid: i64,
        /// The requested timeout in milliseconds.
        timeout: i32,
        /// The session id.
        session: i64,
        /// The session's password.
        password: &'a [u8],
    },
    /// `proto.AuthPacket` with the scheme `digest`, type 100: `user:password`.
    Auth(&'a str),
    /// Header only, type 11.
    Ping,
    /// Header only, type -11 (`closeSession`).
    Close,
    /// `proto.CreateRequest`, type 1: path, data, ACL, and whether the znode is ephemeral.
    Create(&'a str, &'a [u8], &'a [Acl], bool),
    /// `proto.DeleteRequest`, type 2, any version.
    Delete(&'a str),
    /// `proto.ExistsRequest`, type 3, without a watch.
    Exists(&'a str),
    /// `proto.GetDataRequest`, type 4: path, and whether a watch is set.
    GetData(&'a str, bool),
    /// `proto.SetDataRequest`, type 5, any version.
    SetData(&'a str, &'a [u8]),
    /// `proto.GetChildrenRequest`, type 8, without a watch.
    GetChildren(&'a str),
}

impl Request<'_> {
    /// The frame including its length. The request number is 0 until `number` sets it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Any version (`ZooKeeper.setData`, `ZooKeeper.delete`).
        const ANY_VERSION: i32 = -1;
        let frame = FrameBuilder(vec![0; 4]);
        match *self {
            Self::Connect { last_zxid, timeout, session, password } => {
                let frame = frame.int(0).long(last_zxid).int(timeout).long(session).buffer(password);
                // Read-only mode is not requested: a member without quorum refuses the session.
                frame.bool(false)
            }
            Self::Auth(secret) => frame.header(AUTH_XID, 100).int(0).string("digest").buffer(secret.as_bytes()),
            Self::Ping => frame.header(PING_XID, 11),
            Self::Close => frame.header(0, -11),
            Self::Create(path, data, acl, ephemeral) => {
                let frame = frame.header(0, 1).string(path).buffer(data).length(acl.len());
                let entry =
                    |frame: FrameBuilder, acl: &Acl| frame.int(acl.permissions).string(&acl.scheme).string(&acl.id);
                // `CreateMode`: 0 is persistent, 1 ephemeral.
                acl.iter().fold(frame, entry).int(i32::from(ephemeral))
            }
            Self::Delete(path) => frame.header(0, 2).string(path).int(ANY_VERSION),
            Self::Exists(path) => frame.header(0, 3).string(path).bool(false),
            Self::GetData(path, watch) => frame.header(0, 4).string(path).bool(watch),
            Self::SetData(path, data) => frame.header(0, 5).string(path).buffer(data).int(ANY_VERSION),
            Self::GetChildren(path) => frame.header(0, 8).string(path).bool(false),
        }
        .finish()
    }
}

/// Sets the request number of an encoded request (`proto.RequestHeader`).
pub(super) fn number(frame: &mut [u8], xid: i32) {
    if let Some(place) = frame.get_mut(4..8) {
        place.copy_from_slice(&xid.to_be_bytes());
    }
}

/// A frame under construction; the length is written last.
struct FrameBuilder(Vec<u8>);

impl FrameBuilder {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn int(self, value: i32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    fn long(self, value: i64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    fn bool(self, value: bool) -> Self {
        self.bytes(&[u8::from(value)])
    }

    /// Cannot overflow: requests of the exporter are far below 2 GiB.
    fn length(self, length: usize) -> Self {
        self.int(i32::try_from(length).unwrap_or(i32::MAX))
    }

    fn buffer(self, bytes: &[u8]) -> Self {
        self.length(bytes.len()).bytes(bytes)
    }

    fn string(self, text: &str) -> Self {
        self.buffer(text.as_bytes())
    }

    /// `proto.RequestHeader`
    fn header(self, xid: i32, kind: i32) -> Self {
        self.int(xid).int(kind)
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests;
