//! The limits in `docs/zh-CN/alerts.md`; its other texts are written by hand.

/// The Chinese page with names, limits and durations of the English one. Rows that it lacks are reported by a test.
pub(super) fn with_limits(chinese: &str, english: &str) -> String {
    let english = english.split("## All alerts").nth(1).unwrap_or_default().split("\n## ").next().unwrap_or_default();
    let texts = rows(chinese);
    let mut table = String::new();
    for (name, cells) in rows(english) {
        let Some((_, text)) = texts.iter().find(|(other, _)| *other == name) else { continue };
        let limits = cells.iter().take(3).map(|cell| translated(cell));
        let texts = text.iter().skip(text.len().saturating_sub(3)).map(|&text| text.to_owned());
        let cells = limits.chain(texts).collect::<Vec<_>>().join(" | ");
        table += &format!("| [{name}](../runbooks/{name}.md) | {cells} |\n");
    }
    let begin = chinese.find("| [ZooKeeper").expect("docs/zh-CN/alerts.md has no alerts");
    let end = begin + chinese[begin..].find("\n\n").expect("text follows the table") + 1;
    format!("{}{table}{}", &chinese[..begin], &chinese[end..])
}

/// A limit as written in the Chinese table.
fn translated(limit: &str) -> String {
    let words =
        [(" (off)", "（默认关闭）"), ("yes", "是"), (" days", " 天"), (" minutes", " 分钟"), (" hours", " 小时")];
    words.iter().fold(limit.to_owned(), |limit, (english, chinese)| limit.replace(english, chinese))
}

/// The rows about alerts in a table: name, and all other cells.
fn rows(text: &str) -> Vec<(&str, Vec<&str>)> {
    text.lines()
        .filter_map(|line| {
            let name = line.strip_prefix("| [").filter(|rest| rest.starts_with("ZooKeeper"))?.split(']').next()?;
            let cells = line.split(" | ").skip(1).map(|cell| cell.trim_end_matches('|').trim());
            Some((name, cells.collect()))
        })
        .collect()
}
