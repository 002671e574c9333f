//! Process metrics from the kernel replace those that the member reports about itself.

use zookeeper_exporter::catalogue::{Own, Part, ProcessFigure, catalogue};
use zookeeper_exporter::exposition::Format;
use zookeeper_exporter::reply::Number;
use zookeeper_exporter::scrape::samples::Collector;

use crate::common::{fixture_member, fixtures, page, read_page, report};

#[test]
fn process_metrics_of_the_kernel_replace_those_of_the_member() {
    let mut seen = 0;
    for fixture in fixtures() {
        let mut member = fixture_member(&fixture);
        let family = ProcessFigure::Cpu.family().unwrap();
        let own = member.samples.value(family, Part::Value);
        let before = member.samples.cells().len();
        let mut host = Collector::new(10);
        host.push(family, Part::Value, Number::Float(4711.5));
        host.push_many(Own::DirFree.into(), Part::Value, &["log", "/log/version-2"], Number::Int(7));
        member.samples = member.samples.overlaid(&host.finish());
        assert_eq!(member.samples.value(family, Part::Value), Some(Number::Float(4711.5)));
        // The replaced sample, if the member had it, and the two new ones.
        assert_eq!(member.samples.cells().len(), before + 2 - usize::from(own.is_some()));
        seen += usize::from(own.is_some());

        let name = catalogue().family(family).full_name();
        let page = read_page(&page(&report(vec![member]), Format::Classic), Format::Classic).unwrap();
        let of: Vec<f64> = page.series.iter().filter(|(s, _)| s.name == name).map(|(_, value)| *value).collect();
        assert_eq!(of, [4711.5]);
        assert_eq!(page.value("zk_dir_free_bytes", &[("dir", "log"), ("path", "/log/version-2")]), Some(7.0));
    }
    assert!(seen > 0, "no fixture has the figures of the Prometheus provider");
}
