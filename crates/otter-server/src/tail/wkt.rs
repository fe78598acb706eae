//! Geometries as well-known text: `POINT (3 2)`, `LINESTRING (0 0, 1 1)`, `POLYGON EMPTY`.
//!
//! Servers store four bytes of SRID and then well-known binary: for each geometry its byte order,
//! its type, and its coordinates or members. The text tells neither the SRID nor swaps axes: `x y`
//! as they are stored.

use std::fmt::Write as _;

/// How deep collections may lie in each other; the servers' own tools give up earlier.
const DEEPEST: u32 = 64;

/// Appends a stored geometry as text. False, with nothing appended, where the bytes are none.
pub(super) fn write_geometry(output: &mut String, stored: &[u8]) -> bool {
    let length = output.len();
    let written = stored.split_first_chunk::<4>().and_then(|(_srid, rest)| {
        let mut reader = Reader { rest };
        write_tagged(output, &mut reader, DEEPEST)?;
        reader.rest.is_empty().then_some(())
    });
    if written.is_none() {
        output.truncate(length);
    }
    written.is_some()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Point,
    LineString,
    Polygon,
    MultiPoint,
    MultiLineString,
    MultiPolygon,
    Collection,
}

impl Shape {
    /// The two-dimensional types; servers store no others.
    fn of(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Point,
            2 => Self::LineString,
            3 => Self::Polygon,
            4 => Self::MultiPoint,
            5 => Self::MultiLineString,
            6 => Self::MultiPolygon,
            7 => Self::Collection,
            _ => return None,
        })
    }

    fn tag(self) -> &'static str {
        match self {
            Self::Point => "POINT ",
            Self::LineString => "LINESTRING ",
            Self::Polygon => "POLYGON ",
            Self::MultiPoint => "MULTIPOINT ",
            Self::MultiLineString => "MULTILINESTRING ",
            Self::MultiPolygon => "MULTIPOLYGON ",
            Self::Collection => "GEOMETRYCOLLECTION ",
        }
    }
}

#[derive(Clone, Copy)]
enum Order {
    Big,
    Little,
}

/// What is still to be read.
struct Reader<'b> {
    rest: &'b [u8],
}

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*bytes)
    }

    fn number(&mut self, order: Order) -> Option<u32> {
        self.bytes().map(|bytes| match order {
            Order::Big => u32::from_be_bytes(bytes),
            Order::Little => u32::from_le_bytes(bytes),
        })
    }

    /// A coordinate; no text has a form for one that is not finite.
    fn coordinate(&mut self, order: Order) -> Option<f64> {
        let number = self.bytes().map(|bytes| match order {
            Order::Big => f64::from_be_bytes(bytes),
            Order::Little => f64::from_le_bytes(bytes),
        });
        number.filter(|number| number.is_finite())
    }

    /// What each geometry begins with, those within others too.
    fn head(&mut self) -> Option<(Order, Shape)> {
        let order = match self.bytes()? {
            [0] => Order::Big,
            [1] => Order::Little,
            _ => return None,
        };
        Some((order, Shape::of(self.number(order)?)?))
    }
}

fn write_tagged(output: &mut String, reader: &mut Reader<'_>, depth: u32) -> Option<()> {
    let (order, shape) = reader.head()?;
    output.push_str(shape.tag());
    write_body(output, reader, order, shape, depth)
}

fn write_body(
    output: &mut String,
    reader: &mut Reader<'_>,
    order: Order,
    shape: Shape,
    depth: u32,
) -> Option<()> {
    let list = |output: &mut String, reader: &mut Reader<'_>, member| {
        write_list(output, reader, order, member)
    };
    match shape {
        Shape::Point => {
            output.push('(');
            write_position(output, reader, order)?;
            output.push(')');
            Some(())
        }
        Shape::LineString => {
            list(output, reader, &|output, reader| write_position(output, reader, order))
        }
        Shape::Polygon => list(output, reader, &|output, reader| {
            write_body(output, reader, order, Shape::LineString, depth)
        }),
        Shape::MultiPoint => list(output, reader, &member_of(Shape::Point, depth)),
        Shape::MultiLineString => list(output, reader, &member_of(Shape::LineString, depth)),
        Shape::MultiPolygon => list(output, reader, &member_of(Shape::Polygon, depth)),
        Shape::Collection => {
            let depth = depth.checked_sub(1)?;
            list(output, reader, &|output, reader| write_tagged(output, reader, depth))
        }
    }
}

/// How one member of a list is written.
type Member<'m> = &'m dyn Fn(&mut String, &mut Reader<'_>) -> Option<()>;

/// A member of a collection of one shape: its own head is binary only, the text has no tag for it.
fn member_of(shape: Shape, depth: u32) -> impl Fn(&mut String, &mut Reader<'_>) -> Option<()> {
    move |output, reader| {
        let (order, own) = reader.head()?;
        if own == shape { write_body(output, reader, order, shape, depth) } else { None }
    }
}

/// Each member takes bytes: a count that is too high ends where they end.
fn write_list(
    output: &mut String,
    reader: &mut Reader<'_>,
    order: Order,
    member: Member<'_>,
) -> Option<()> {
    let count = reader.number(order)?;
    if count == 0 {
        output.push_str("EMPTY");
        return Some(());
    }
    for index in 0..count {
        output.push_str(if index == 0 { "(" } else { ", " });
        member(output, reader)?;
    }
    output.push(')');
    Some(())
}

fn write_position(output: &mut String, reader: &mut Reader<'_>, order: Order) -> Option<()> {
    let (x, y) = (reader.coordinate(order)?, reader.coordinate(order)?);
    // Writing into a string never fails.
    let _ = write!(output, "{x} {y}");
    Some(())
}

#[cfg(test)]
mod tests;
