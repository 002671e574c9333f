//! Splits a long range into pieces within the limits of the server. A piece that is too large is halved, as are later
//! ones.

use std::collections::VecDeque;

use super::client::{QueryApi, QueryConnection, QueryError};
use super::grid::Grid;
use super::matrix::Matrix;

/// Maximum number of evaluation times per query; Prometheus and compatible servers limit it to 11,000.
pub const MAX_MOMENTS: usize = 10_000;

/// Maximum number of consecutive timeouts; each retry requests a smaller piece.
const MAX_LATE: u32 = 3;

/// Minimum number of evaluation times; a smaller piece is not halved.
const MIN_MOMENTS: usize = 4;

/// The pieces of one query that remain to be fetched.
#[derive(Debug)]
pub struct Pieces {
    rest: VecDeque<Grid>,
    moments: usize,
    /// Number of consecutive timeouts.
    late: u32,
}

impl Pieces {
    /// All evaluation times of the grid, in pieces of at most `moments`.
    #[must_use]
    pub fn new(grid: &Grid, moments: usize) -> Self {
        let moments = moments.min(MAX_MOMENTS);
        Self { rest: VecDeque::from(grid.pieces(moments)), moments, late: 0 }
    }

    /// Fetches the next piece of all expressions, with its evaluation times; `None` at the end.
    ///
    /// # Errors
    /// If the server does not respond even to a small piece.
    pub async fn next(
        &mut self,
        api: &QueryApi,
        connection: &mut QueryConnection,
        exprs: &[&str],
    ) -> Result<Option<(Grid, Vec<Matrix>)>, QueryError> {
        loop {
            let Some(piece) = self.rest.pop_front() else { return Ok(None) };
            if piece.len() > self.moments {
                piece.pieces(self.moments).into_iter().rev().for_each(|part| self.rest.push_front(part));
                continue;
            }
            match all(api, connection, exprs, &piece).await {
                Ok(matrices) => {
                    self.late = 0;
                    return Ok(Some((piece, matrices)));
                }
                // A server that times out for a quarter of a piece would also time out for the others.
                Err(QueryError::Late(why)) if self.late + 1 >= MAX_LATE => return Err(QueryError::Unreachable(why)),
                Err(QueryError::TooMuch(why) | QueryError::Late(why)) if piece.len() <= MIN_MOMENTS => {
                    return Err(QueryError::Refused(why));
                }
                Err(error @ (QueryError::TooMuch(_) | QueryError::Late(_))) => {
                    self.late += u32::from(matches!(error, QueryError::Late(_)));
                    self.moments = (piece.len() / 2).max(MIN_MOMENTS);
                    self.rest.push_front(piece);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

async fn all(
    api: &QueryApi,
    connection: &mut QueryConnection,
    exprs: &[&str],
    piece: &Grid,
) -> Result<Vec<Matrix>, QueryError> {
    let mut matrices = Vec::new();
    for expr in exprs {
        matrices.push(api.range(connection, expr, piece).await?);
    }
    Ok(matrices)
}
