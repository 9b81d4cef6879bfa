//! The short form of a failure as a QR code: whoever stands before the screen photographs it, instead of copying it.
//!
//! A console shows letters: two modules stand above each other in one, as half blocks, which both the kernel's VGA
//! font and UTF-8 terminals have. Consoles write light on dark, and a code is dark on light: a light module is a
//! block, a dark one is left out.

use bootwright_image::timeline::MachineId;
use qrcodegen::{QrCode, QrCodeEcc, QrSegment, Version};

use super::Failure;

/// 37 modules a side and 106 bytes: with its margin 41 columns and 21 lines of the 80 and 25 that a screen has.
const LARGEST: u8 = 5;
const MAX_BYTES: usize = 106;

/// Light modules around it. The specification wants four; readers do with two, and the screen has no more.
const MARGIN: i32 = 2;

/// `bootwright http 52:54:00:12:34:56 root.img could not be fetched: …`, as much as fits.
pub fn short(failure: &Failure, machine: &MachineId) -> String {
    let step = serde_json::to_value(failure.step()).ok();
    let step = step.as_ref().and_then(|step| step.as_str()).unwrap_or_default();
    let mut text =
        format!("bootwright {step} {} {}", machine.mac, failure.cause.lines().next().unwrap_or_default());
    let mut end = text.len().min(MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// The lines of the code; none for a text that is too long.
pub fn lines(text: &str) -> Vec<String> {
    let segments = [QrSegment::make_bytes(text.as_bytes())];
    let largest = Version::new(LARGEST);
    let made = QrCode::encode_segments_advanced(&segments, QrCodeEcc::Low, Version::MIN, largest, None, true);
    let Ok(code) = made else { return Vec::new() };
    let range = -MARGIN..code.size() + MARGIN;
    // Outside of the code everything is light.
    let letter = |x: i32, y: i32| match (!code.get_module(x, y), !code.get_module(x, y + 1)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    range.clone().step_by(2).map(|y| range.clone().map(|x| letter(x, y)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use bootwright_image::timeline::Step;

    use super::*;

    fn failure(cause: &str) -> Failure {
        Failure::new(cause).at(Step::Http)
    }

    /// The lines as a camera sees them, eight by eight pixels a module.
    fn photograph(lines: &[String]) -> Vec<u8> {
        let rows = lines.iter().flat_map(|line| {
            let upper = line.chars().map(|letter| matches!(letter, '█' | '▀')).collect::<Vec<_>>();
            let lower = line.chars().map(|letter| matches!(letter, '█' | '▄')).collect();
            [upper, lower]
        });
        let rows: Vec<Vec<bool>> = rows.collect();
        let (width, height) = (rows[0].len() * 8, rows.len() * 8);
        let mut picture = format!("P5 {width} {height} 255\n").into_bytes();
        for row in &rows {
            let pixels: Vec<u8> = row.iter().flat_map(|light| [if *light { 255 } else { 0 }; 8]).collect();
            (0..8).for_each(|_| picture.extend(&pixels));
        }
        picture
    }

    #[test]
    fn zbar_reads_what_the_screen_shows() {
        let machine = MachineId { mac: "52:54:00:12:34:56".into(), ..MachineId::default() };
        let text = short(&failure(&"root.img could not be fetched: HTTP status 404 ".repeat(3)), &machine);
        assert!(text.starts_with("bootwright http 52:54:00:12:34:56 root.img could"), "{text}");
        assert_eq!(text.len(), MAX_BYTES);
        let lines = lines(&text);
        assert!(lines.len() <= 21 && lines.iter().all(|line| line.chars().count() <= 41), "{lines:#?}");
        let file = tempfile::Builder::new().suffix(".pgm").tempfile().unwrap();
        std::fs::write(file.path(), photograph(&lines)).unwrap();
        let read = Command::new("zbarimg").args(["--quiet", "--raw"]).arg(file.path()).output();
        let read = read.expect("zbarimg (package zbar-tools)");
        assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), text.trim());
    }

    #[test]
    fn a_cause_is_cut_at_a_letter_and_a_long_text_has_no_code() {
        let text = short(&failure(&"ä".repeat(100)), &MachineId::default());
        assert!(text.len() <= MAX_BYTES && text.ends_with('ä'));
        assert_eq!(lines(&"x".repeat(MAX_BYTES + 1)), [""; 0]);
    }
}
