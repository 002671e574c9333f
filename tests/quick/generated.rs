//! The committed files that are generated match their generators; `cargo xtask gen` writes them.

use crate::common::assert_golden;

#[test]
fn committed_files_match_the_generators() {
    let files = xtask::generated();
    for begin in
        ["dashboards/", "alert-rules/", "docs/runbooks/", "docs/", "deploy/mixin/", "deploy/helm/", "deploy/zabbix/"]
    {
        assert!(files.iter().any(|(path, _)| path.starts_with(begin)), "nothing is generated below {begin}");
    }
    assert!(files.len() > 100, "{}", files.len());
    for (path, text) in files {
        assert_golden(&path, &text);
    }
}
