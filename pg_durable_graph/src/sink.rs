//! JSON that is written up to a limit and no further.

use std::fmt;

/// See the module. What does not fit is dropped, and everything behind it.
#[derive(Debug)]
pub struct Sink {
    text: String,
    max: usize,
    is_full: bool,
}

impl Sink {
    /// An empty text that takes so many bytes.
    pub fn new(max: usize) -> Sink {
        Sink { text: String::new(), max, is_full: false }
    }

    /// Whether something did not fit.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// How many bytes still fit.
    pub fn left(&self) -> usize {
        if self.is_full { 0 } else { self.max - self.text.len() }
    }

    /// What comes now would not fit.
    pub fn overflow(&mut self) {
        self.is_full = true;
    }

    /// Appends what is JSON.
    pub fn push_str(&mut self, text: &str) {
        if text.len() > self.left() || !self.make_room(text.len()) {
            self.is_full = true;
        } else if !self.is_full {
            self.text.push_str(text);
        }
    }

    /// Appends a text as a JSON string.
    pub fn push_string(&mut self, text: &str) {
        self.push_str("\"");
        self.push_escaped(text);
        self.push_str("\"");
    }

    /// Appends UTF-8 text; what is none is replaced.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            self.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                self.push_str("\u{fffd}");
            }
        }
    }

    /// Appends UTF-8 text as a JSON string; what is none is replaced.
    pub fn push_bytes_as_string(&mut self, bytes: &[u8]) {
        self.push_str("\"");
        for chunk in bytes.utf8_chunks() {
            self.push_escaped(chunk.valid());
            if !chunk.invalid().is_empty() {
                self.push_str("\u{fffd}");
            }
        }
        self.push_str("\"");
    }

    /// Takes the text, with an ending for which there is always room.
    pub fn finish(&mut self, ending: &str) -> String {
        let mut text = std::mem::take(&mut self.text);
        text.push_str(ending);
        text
    }

    fn push_escaped(&mut self, text: &str) {
        let mut copied = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0..0x20 => "\\u00",
                _ => continue,
            };
            self.push_str(&text[copied..at]);
            self.push_str(escape);
            if escape.len() > 2 {
                self.push_str(&format!("{byte:02x}"));
            }
            copied = at + 1;
            if self.is_full {
                return;
            }
        }
        self.push_str(&text[copied..]);
    }

    /// Grows by doubling and never beyond the limit; false where the system has no memory.
    fn make_room(&mut self, len: usize) -> bool {
        let needed = self.text.len() + len;
        if needed <= self.text.capacity() {
            return true;
        }
        let wanted = needed.max(2 * self.text.capacity()).max(256).min(self.max.max(needed));
        self.text.try_reserve_exact(wanted - self.text.len()).is_ok()
    }
}

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_json_wants_them() {
        let text = "a\"b\\c\n\r\t\u{1}\u{1f}\u{7f}größe 日本 🦀";
        let mut sink = Sink::new(1000);
        sink.push_string(text);
        sink.push_str(",");
        sink.push_bytes_as_string(b"x\xffy\"");
        assert!(!sink.is_full());
        let json = format!("[{}]", sink.finish(""));
        let read: Vec<String> = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(read, [text, "x\u{fffd}y\""]);
    }

    #[test]
    fn nothing_is_kept_beyond_the_limit() {
        let mut sink = Sink::new(10);
        sink.push_str("12345");
        sink.push_str("67890");
        assert!(!sink.is_full());
        sink.push_str("1");
        sink.push_str("");
        assert!(sink.is_full());
        assert_eq!(sink.left(), 0);
        assert_eq!(sink.finish("}"), "1234567890}");
        let mut sink = Sink::new(1 << 20);
        let long = "\"".repeat(1 << 22);
        sink.push_string(&long);
        assert!(sink.is_full());
        assert!(sink.finish("").capacity() <= 1 << 20);
    }
}
