//! Converts geometries from well-known text (WKT) to well-known binary (WKB):
//! <https://www.ogc.org/standard/sfa/>, sections 7 and 8.
//!
//! A geometry in WKB is a byte order, a type number, and its parts; each list of parts is preceded
//! by its length.

/// The maximum nesting depth of collections, which bounds the recursion.
const DEEPEST: usize = 32;

/// Returns the well-known binary of a text, little-endian as MySQL stores it. Returns `None` if the
/// text is no geometry of two dimensions.
pub(super) fn of_text(text: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader { rest: std::str::from_utf8(text).ok()?.trim() };
    let mut out = Vec::new();
    reader.geometry(&mut out, 0)?;
    reader.rest.is_empty().then_some(out)
}

/// The part of the text that is not parsed yet, without blanks before it.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Parses a geometry with its keyword. The `kind` is the type number of WKB.
    fn geometry(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        let kind = match word.to_ascii_uppercase().as_str() {
            "POINT" => 1,
            "LINESTRING" => 2,
            "POLYGON" => 3,
            "MULTIPOINT" => 4,
            "MULTILINESTRING" => 5,
            "MULTIPOLYGON" => 6,
            "GEOMETRYCOLLECTION" | "GEOMCOLLECTION" => 7,
            _ => return None,
        };
        head(kind, out);
        match kind {
            1 => {
                self.take('(')?;
                self.point(out)?;
                self.take(')')
            }
            2 => self.list(out, &mut Self::point),
            3 => self.list(out, &mut |reader, out| reader.list(out, &mut Self::point)),
            4 => self.list(out, &mut |reader, out| {
                head(1, out);
                // The parentheses around each point are optional.
                let bracket = reader.take('(').is_some();
                reader.point(out)?;
                if bracket { reader.take(')') } else { Some(()) }
            }),
            5 => self.list(out, &mut |reader, out| {
                head(2, out);
                reader.list(out, &mut Self::point)
            }),
            6 => self.list(out, &mut |reader, out| {
                head(3, out);
                reader.list(out, &mut |reader, out| reader.list(out, &mut Self::point))
            }),
            _ => self.list(out, &mut |reader, out| reader.geometry(out, depth + 1)),
        }
    }

    /// Parses `(x, x, …)`. Writes the number of parts, then the parts.
    fn list(
        &mut self,
        out: &mut Vec<u8>,
        part: &mut dyn FnMut(&mut Self, &mut Vec<u8>) -> Option<()>,
    ) -> Option<()> {
        let (at, mut count) = (out.len(), 0u32);
        out.extend_from_slice(&[0; 4]);
        self.take('(')?;
        loop {
            part(self, out)?;
            count += 1;
            if self.take(',').is_none() {
                break;
            }
        }
        out[at..at + 4].copy_from_slice(&count.to_le_bytes());
        self.take(')')
    }

    /// Parses two coordinates, which have to be finite.
    fn point(&mut self, out: &mut Vec<u8>) -> Option<()> {
        for _ in 0..2 {
            let end = self.rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))?;
            let (number, rest) = self.rest.split_at(end);
            let number = number.parse::<f64>().ok().filter(|number| number.is_finite())?;
            out.extend_from_slice(&number.to_le_bytes());
            self.rest = rest.trim_start();
        }
        Some(())
    }

    /// Takes a symbol and the blanks after it.
    fn take(&mut self, symbol: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(symbol)?.trim_start();
        Some(())
    }
}

/// Writes the byte order (1: little-endian) and the type number of a geometry.
fn head(kind: u32, out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(&kind.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_binary() {
        let point = of_text(b"POINT(1 -2.5)").expect("a point");
        assert_eq!(point, [&[1, 1, 0, 0, 0][..], &1f64.to_le_bytes(), &(-2.5f64).to_le_bytes()].concat());
        let line = of_text(b" linestring ( 0 0 , 1e1 1 ) ").expect("a line");
        assert_eq!((line.len(), &line[..9]), (9 + 32, &[1, 2, 0, 0, 0, 2, 0, 0, 0][..]));
        assert_eq!(of_text(b"MULTIPOINT((1 2),(3 4))"), of_text(b"MULTIPOINT(1 2,3 4)"));
        for good in [
            "POLYGON((0 0,1 0,1 1,0 0),(0 0,1 0,1 1,0 0))",
            "MULTILINESTRING((0 0,1 1))",
            "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))",
            "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))",
        ] {
            assert!(of_text(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            "",
            "POINT",
            "POINT(1)",
            "POINT(1 2 3)",
            "POINT(1 2",
            "POINT Z (1 2 3)",
            "POINT(1 2) x",
            "CIRCLE(1 2)",
        ] {
            assert_eq!(of_text(bad.as_bytes()), None, "{bad}");
        }
    }
}
