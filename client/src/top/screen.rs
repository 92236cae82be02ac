//! A terminal of our own while it lasts: another page, no cursor, keys as they are pressed; all as it was at the end.

use std::io::{self, Read, Write};

use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc::{Receiver, channel};

use super::picture::{Line, Weight};

/// Keys that wait to be looked at.
const KEYS_MAX: usize = 16;
/// What a terminal has that does not tell.
const SIZE_USUAL: (usize, usize) = (80, 24);

/// The terminal; given back when dropped.
pub(crate) struct Screen {
    before: Option<Termios>,
    keys: Receiver<u8>,
    colour: bool,
}

impl Screen {
    /// Takes the terminal.
    pub(crate) fn open() -> anyhow::Result<Screen> {
        // Standard input may be something else: then only signals end it.
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut modes = before.clone();
            modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            tcsetattr(io::stdin(), OptionalActions::Now, &modes).context("the terminal cannot be used")?;
        }
        let (sender, keys) = channel(KEYS_MAX);
        if before.is_some() {
            // Ends with the process: a read cannot be called back.
            std::thread::spawn(move || {
                for key in io::BufReader::new(io::stdin()).bytes().map_while(Result::ok) {
                    if sender.blocking_send(key).is_err() {
                        break;
                    }
                }
            });
        }
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let screen = Screen { before, keys, colour };
        print("\x1b[?1049h\x1b[?25l")?;
        Ok(screen)
    }

    /// Returns when `q` is pressed.
    pub(crate) async fn quit(&mut self) {
        loop {
            match self.keys.recv().await {
                Some(b'q' | b'Q') => return,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Draws over what was there.
    pub(crate) fn show(&self, draw: impl FnOnce(usize, usize) -> Vec<Line>) -> anyhow::Result<()> {
        let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let (width, height) = size.map_or(SIZE_USUAL, |size| (size.ws_col.into(), size.ws_row.into()));
        let mut text = String::from("\x1b[H");
        for (number, line) in draw(width, height).into_iter().enumerate() {
            if number > 0 {
                text.push_str("\r\n");
            }
            let (begin, end) = match (self.colour, line.weight) {
                (true, Weight::Heading) => ("\x1b[1m", "\x1b[0m"),
                (true, Weight::Alarm) => ("\x1b[31m", "\x1b[0m"),
                _ => ("", ""),
            };
            text.push_str(&format!("{begin}{}{end}\x1b[K", line.text));
        }
        text.push_str("\x1b[J");
        Ok(print(&text)?)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = print("\x1b[?25h\x1b[?1049l");
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
