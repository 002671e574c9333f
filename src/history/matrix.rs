//! The result of a range query: series with their values at the evaluation times of a grid.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::grid::Grid;

/// The labels of a series.
pub type SeriesLabels = BTreeMap<String, String>;

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeSeries {
    /// The labels without the metric name.
    pub labels: SeriesLabels,
    /// Evaluation times in ascending order, with their values.
    pub points: Vec<(i64, f64)>,
}

/// The complete result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// The series.
    pub series: Vec<RangeSeries>,
    /// Warnings of the server.
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
struct RawAnswer<'a> {
    status: &'a str,
    data: Option<RawData>,
    #[serde(default)]
    error: Option<Cow<'a, str>>,
    #[serde(default)]
    warnings: Vec<String>,
    /// Set by VictoriaMetrics if some of its storage nodes did not respond.
    #[serde(default, rename = "isPartial")]
    is_partial: bool,
}

#[derive(Deserialize)]
struct RawData {
    #[serde(rename = "resultType")]
    kind: String,
    result: Vec<RawSeries>,
}

#[derive(Deserialize)]
struct RawSeries {
    metric: SeriesLabels,
    values: Vec<(f64, JsonSample)>,
}

/// A value, encoded as a JSON string: `0.5`, `NaN`, `+Inf`.
struct JsonSample(f64);

impl<'de> Deserialize<'de> for JsonSample {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map(JsonSample).map_err(|_| serde::de::Error::custom("a sample is not a number"))
    }
}

impl Matrix {
    /// Parses a response.
    ///
    /// # Errors
    /// The error reported by the server, or the reason why the response is invalid.
    pub fn read(body: &[u8], grid: &Grid) -> Result<Self, String> {
        let answer: RawAnswer<'_> = serde_json::from_slice(body)
            .map_err(|error| format!("the response is not that of a query API: {error}"))?;
        if answer.status != "success" {
            return Err(answer.error.map_or_else(|| "an error without a message".to_owned(), Cow::into_owned));
        }
        if answer.is_partial {
            return Err("partial response: some storage nodes did not respond".to_owned());
        }
        let Some(data) = answer.data.filter(|data| data.kind == "matrix") else {
            return Err("the response has no matrix".to_owned());
        };
        let series = data.result.into_iter().map(|series| {
            let mut points: Vec<(i64, f64)> = series
                .values
                .into_iter()
                .filter_map(|(time, JsonSample(value))| Some((grid.nearest(time)?, value)))
                .collect();
            // Not every server sorts the points, and there must be one value per time.
            points.sort_by_key(|(moment, _)| *moment);
            points.dedup_by_key(|(moment, _)| *moment);
            let mut labels = series.metric;
            labels.remove("__name__");
            RangeSeries { labels, points }
        });
        Ok(Self { series: series.collect(), warnings: answer.warnings })
    }

    /// The error message in the body of a failed request, if any.
    #[must_use]
    pub fn error(body: &[u8]) -> Option<String> {
        let answer: RawAnswer<'_> = serde_json::from_slice(body).ok()?;
        answer.error.map(Cow::into_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_parsed_into_series() {
        let grid = Grid::new(60, 180, 60);
        let body =
            br#"{"status":"success","warnings":["slow"],"isPartial":false,"data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"x","a":"b\"c"},"values":[[60,"0.5"],[120.001,"NaN"],[180,"+Inf"],[240,"1"]]}]}}"#;
        let matrix = Matrix::read(body, &grid).expect("a matrix");
        let [series] = &matrix.series[..] else { panic!("{matrix:?}") };
        assert_eq!(series.labels, SeriesLabels::from([("a".to_owned(), "b\"c".to_owned())]));
        assert_eq!(series.points.len(), 3);
        assert!(series.points[1].1.is_nan() && series.points[2] == (180, f64::INFINITY));
        assert_eq!(matrix.warnings.len(), 1);
    }

    #[test]
    fn other_responses_are_one_line_errors() {
        let grid = Grid::new(0, 60, 60);
        let failed = br#"{"status":"error","errorType":"execution","error":"query timed out"}"#;
        assert_eq!(Matrix::read(failed, &grid), Err("query timed out".to_owned()));
        for body in [
            &b"<html>"[..],
            b"",
            b"{}",
            br#"{"status":"success"}"#,
            br#"{"status":"success","isPartial":true,"data":{"resultType":"matrix","result":[]}}"#,
            br#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
            br#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"x"]]}]}}"#,
        ] {
            assert!(Matrix::read(body, &grid).is_err(), "{}", String::from_utf8_lossy(body));
        }
    }
}
