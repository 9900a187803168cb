//! The places of panels on Grafana's grid: rows from top to bottom, in each row from left to right.

use serde_json::{Value, json};

use super::panel::Panel;

/// Columns of the grid.
const COLUMNS: u32 = 24;

/// Panels under a heading.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: Vec<Panel>,
}

/// Returns the rows and their panels as Grafana reads them, each with its place.
pub(super) fn lay_out(rows: &[Row]) -> Vec<Value> {
    let mut laid = Vec::new();
    let mut y = 0;
    for row in rows {
        laid.push(heading(next_id(&laid), row.title, y));
        y += 1;
        let (mut x, mut height) = (0, 0);
        for panel in &row.panels {
            let (wide, high) = panel.size();
            if x + wide > COLUMNS {
                (x, y, height) = (0, y + height, 0);
            }
            let place = json!({ "x": x, "y": y, "w": wide, "h": high });
            laid.push(panel.json(next_id(&laid), &place));
            (x, height) = (x + wide, high.max(height));
        }
        y += height;
    }
    laid
}

fn next_id(laid: &[Value]) -> u32 {
    u32::try_from(laid.len()).unwrap_or(u32::MAX) + 1
}

fn heading(id: u32, title: &str, y: u32) -> Value {
    let place = json!({ "x": 0, "y": y, "w": COLUMNS, "h": 1 });
    json!({ "id": id, "type": "row", "title": title, "collapsed": false, "gridPos": place, "panels": [] })
}
