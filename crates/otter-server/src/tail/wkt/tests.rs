//! Binary and text of random geometries are built side by side and must meet.

use proptest::prelude::*;

use super::*;

/// A geometry: what the binary and the text are made from.
#[derive(Debug, Clone)]
enum Geometry {
    Point(f64, f64),
    LineString(Vec<(f64, f64)>),
    Polygon(Vec<Vec<(f64, f64)>>),
    Multi(u32, Vec<Geometry>),
    Collection(Vec<Geometry>),
}

fn coordinate() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<i16>().prop_map(f64::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()),
    ]
}

fn positions() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((coordinate(), coordinate()), 0..4)
}

fn point() -> impl Strategy<Value = Geometry> {
    (coordinate(), coordinate()).prop_map(|(x, y)| Geometry::Point(x, y))
}

fn line() -> impl Strategy<Value = Geometry> {
    positions().prop_map(Geometry::LineString)
}

fn polygon() -> impl Strategy<Value = Geometry> {
    prop::collection::vec(positions(), 0..3).prop_map(Geometry::Polygon)
}

fn several(of: impl Strategy<Value = Geometry>) -> impl Strategy<Value = Vec<Geometry>> {
    prop::collection::vec(of, 0..3)
}

fn geometry() -> impl Strategy<Value = Geometry> {
    let simple = prop_oneof![
        point(),
        line(),
        polygon(),
        several(point()).prop_map(|members| Geometry::Multi(4, members)),
        several(line()).prop_map(|members| Geometry::Multi(5, members)),
        several(polygon()).prop_map(|members| Geometry::Multi(6, members)),
    ];
    simple.prop_recursive(4, 16, 3, |inner| {
        prop::collection::vec(inner, 0..3).prop_map(Geometry::Collection)
    })
}

/// Writes binary; the byte order changes with every geometry, those within others too.
struct Binary {
    bytes: Vec<u8>,
    is_big: bool,
}

impl Binary {
    fn of(geometry: &Geometry, is_big: bool) -> Vec<u8> {
        let mut binary = Self { bytes: vec![0xe6, 0x10, 0, 0], is_big };
        binary.geometry(geometry);
        binary.bytes
    }

    fn number(&mut self, number: u32, is_big: bool) {
        let bytes = if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
        self.bytes.extend(bytes);
    }

    fn count(&mut self, count: usize, is_big: bool) {
        self.number(count.try_into().unwrap(), is_big);
    }

    fn position(&mut self, (x, y): (f64, f64), is_big: bool) {
        for number in [x, y] {
            let bytes = if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
            self.bytes.extend(bytes);
        }
    }

    fn line(&mut self, positions: &[(f64, f64)], is_big: bool) {
        self.count(positions.len(), is_big);
        for one in positions {
            self.position(*one, is_big);
        }
    }

    fn head(&mut self, number: u32) -> bool {
        let is_big = self.is_big;
        self.is_big = !is_big;
        self.bytes.push(u8::from(!is_big));
        self.number(number, is_big);
        is_big
    }

    fn geometry(&mut self, geometry: &Geometry) {
        match geometry {
            Geometry::Point(x, y) => {
                let is_big = self.head(1);
                self.position((*x, *y), is_big);
            }
            Geometry::LineString(positions) => {
                let is_big = self.head(2);
                self.line(positions, is_big);
            }
            Geometry::Polygon(rings) => {
                let is_big = self.head(3);
                self.count(rings.len(), is_big);
                for ring in rings {
                    self.line(ring, is_big);
                }
            }
            Geometry::Multi(number, members) => self.members(*number, members),
            Geometry::Collection(members) => self.members(7, members),
        }
    }

    fn members(&mut self, number: u32, members: &[Geometry]) {
        let is_big = self.head(number);
        self.count(members.len(), is_big);
        for member in members {
            self.geometry(member);
        }
    }
}

fn listed(members: &[String]) -> String {
    if members.is_empty() { "EMPTY".into() } else { format!("({})", members.join(", ")) }
}

fn line_text(positions: &[(f64, f64)]) -> String {
    listed(&positions.iter().map(|(x, y)| format!("{x} {y}")).collect::<Vec<_>>())
}

/// The text after the tag.
fn body_text(geometry: &Geometry) -> String {
    match geometry {
        Geometry::Point(x, y) => format!("({x} {y})"),
        Geometry::LineString(positions) => line_text(positions),
        Geometry::Polygon(rings) => {
            listed(&rings.iter().map(|ring| line_text(ring)).collect::<Vec<_>>())
        }
        Geometry::Multi(_, members) => listed(&members.iter().map(body_text).collect::<Vec<_>>()),
        Geometry::Collection(members) => listed(&members.iter().map(text).collect::<Vec<_>>()),
    }
}

fn text(geometry: &Geometry) -> String {
    let tag = match geometry {
        Geometry::Point(..) => "POINT",
        Geometry::LineString(_) => "LINESTRING",
        Geometry::Polygon(_) => "POLYGON",
        Geometry::Multi(4, _) => "MULTIPOINT",
        Geometry::Multi(5, _) => "MULTILINESTRING",
        Geometry::Multi(..) => "MULTIPOLYGON",
        Geometry::Collection(_) => "GEOMETRYCOLLECTION",
    };
    format!("{tag} {}", body_text(geometry))
}

fn written(stored: &[u8]) -> Option<String> {
    let mut output = "before ".to_owned();
    let is_geometry = write_geometry(&mut output, stored);
    let rest = output.strip_prefix("before ").unwrap();
    assert!(is_geometry || rest.is_empty(), "nothing is left of what is no geometry");
    is_geometry.then(|| rest.to_owned())
}

fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for _ in 1..depth {
        bytes.extend([1, 7, 0, 0, 0, 1, 0, 0, 0]);
    }
    bytes.extend([1, 7, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

#[test]
fn the_familiar_forms() {
    let point = |x, y| Geometry::Point(x, y);
    let square = vec![(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 0.0)];
    for (geometry, expected) in [
        (point(3.0, 2.0), "POINT (3 2)"),
        (point(-0.5, 1e-7), "POINT (-0.5 0.0000001)"),
        (Geometry::Polygon(vec![square]), "POLYGON ((0 0, 4 0, 4 4, 0 0))"),
        (Geometry::Multi(4, vec![point(1.0, 1.0), point(2.0, 2.0)]), "MULTIPOINT ((1 1), (2 2))"),
        (
            Geometry::Collection(vec![
                point(1.0, 1.0),
                Geometry::LineString(vec![(0.0, 1.0), (1.0, 2.0)]),
                Geometry::Collection(vec![]),
            ]),
            "GEOMETRYCOLLECTION (POINT (1 1), LINESTRING (0 1, 1 2), GEOMETRYCOLLECTION EMPTY)",
        ),
    ] {
        assert_eq!(written(&Binary::of(&geometry, false)).as_deref(), Some(expected));
    }
}

#[test]
fn what_is_no_geometry_is_refused() {
    let point = Binary::of(&Geometry::Point(1.0, 2.0), false);
    let changed = |at: usize, byte: u8| {
        let mut bytes = point.clone();
        bytes[at] = byte;
        bytes
    };
    let infinite = Binary::of(&Geometry::Point(1.0, f64::INFINITY), false);
    let unknown = Binary::of(&Geometry::Point(f64::NAN, 0.0), true);
    // The text of a collection of points has no place for a line.
    let mixed = Binary::of(&Geometry::Multi(4, vec![Geometry::LineString(vec![])]), false);
    let longer = [&point[..], &[0]].concat();
    let boundless = [&[0; 4][..], &[1, 7, 0, 0, 0], &[0xff; 4]].concat();
    for bytes in [changed(4, 2), changed(5, 8), changed(5, 0), changed(6, 1)] {
        assert_eq!(written(&bytes), None);
    }
    for bytes in [infinite, unknown, mixed, longer, boundless, vec![], vec![0; 4]] {
        assert_eq!(written(&bytes), None);
    }
}

#[test]
fn nesting_is_bounded() {
    let deepest = usize::try_from(DEEPEST).unwrap();
    let closed = format!(" EMPTY{}", ")".repeat(deepest - 1));
    assert!(written(&nested(deepest)).unwrap().ends_with(&closed));
    assert_eq!(written(&nested(deepest + 1)), None);
    assert_eq!(written(&nested(1_000_000)), None);
}

proptest! {
    #[test]
    fn every_geometry_is_told_in_either_byte_order(geometry in geometry(), is_big: bool) {
        prop_assert_eq!(written(&Binary::of(&geometry, is_big)), Some(text(&geometry)));
    }

    #[test]
    fn every_part_of_a_geometry_is_refused(geometry in geometry(), is_big: bool) {
        let bytes = Binary::of(&geometry, is_big);
        for length in 0..bytes.len() {
            prop_assert_eq!(written(&bytes[..length]), None, "the first {} bytes", length);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = written(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(
        geometry in geometry(), is_big: bool, place: prop::sample::Index, byte: u8,
    ) {
        let mut bytes = Binary::of(&geometry, is_big);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let _ = written(&bytes);
    }
}
