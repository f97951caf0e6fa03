//! What the X server says of windows and buffers.

use std::borrow::Cow;

use x11rb_protocol::protocol::Event;
use x11rb_protocol::protocol::xproto::{
    CLIENT_MESSAGE_EVENT, ClientMessageEvent, EventMask, SendEventRequest,
};

use super::content::Content;
use super::state::State;
use super::window::Window;
use crate::DisplayError;

impl State {
    /// Takes in an event.
    pub(super) fn take_event(&mut self, event: &Event) {
        if self.take_input(event) {
            return;
        }
        match event {
            Event::ConfigureNotify(event) => {
                let (width, height) = (event.width.into(), event.height.into());
                if let Some(output) = self.output_of(event.window)
                    && let Some(window) = self.windows.get_mut(&output)
                {
                    window.set_size(width, height, &mut self.modes, self.now);
                }
            }
            Event::MapNotify(event) => {
                if let Some(window) = self.window_mut(event.window) {
                    window.set_mapped(true);
                    self.wake_all();
                }
            }
            Event::UnmapNotify(event) => {
                if let Some(window) = self.window_mut(event.window) {
                    window.set_mapped(false);
                }
            }
            Event::Expose(event) => {
                if let Some(surface) = self.window_mut(event.window).and_then(Window::expose) {
                    self.news.redraw(surface);
                }
            }
            Event::DestroyNotify(event) => {
                if self.output_of(event.window).is_some()
                    && let Some(link) = &mut self.link
                {
                    link.trouble = Some(DisplayError::Protocol {
                        code: 0,
                        message: "a window was destroyed".to_owned(),
                    });
                }
            }
            Event::ClientMessage(event) => self.take_message(event),
            Event::PresentIdleNotify(event) => self.release(event.window, |content| {
                content.release_pixmap(event.pixmap, event.serial);
            }),
            Event::PresentCompleteNotify(event) => {
                if let Some(output) = self.output_of(event.window)
                    && let Some(window) = self.windows.get(&output)
                    && window.content.serial() == event.serial
                {
                    self.frame_is_shown(output);
                }
            }
            Event::ShmCompletion(event) => {
                self.release(event.drawable, |content| {
                    content.release(event.shmseg.into());
                });
                if let Some(output) = self.output_of(event.drawable) {
                    self.frame_is_shown(output);
                }
            }
            _ => {}
        }
    }

    /// The server has done with a buffer.
    fn release(&mut self, window: u32, release: impl FnOnce(&mut Content)) {
        if let Some(output) = self.output_of(window)
            && let Some(window) = self.windows.get_mut(&output)
        {
            release(&mut window.content);
            self.wake(output);
        }
    }

    /// The window manager wants something.
    fn take_message(&mut self, event: &ClientMessageEvent) {
        let Some(link) = &mut self.link else {
            return;
        };
        let Some(server) = &link.server else {
            return;
        };
        let atom = |name| server.atoms.get(name);
        if event.format != 32 || event.type_ != atom("WM_PROTOCOLS") {
            return;
        }
        let wanted = event.data.as_data32().first().copied().unwrap_or(0);
        if wanted == 0 {
            return;
        }
        if wanted == atom("WM_DELETE_WINDOW") {
            let window = self.window_mut(event.window);
            if let Some(surface) = window.and_then(|window| window.scanout) {
                self.news.close_requested(surface);
            }
        } else if wanted == atom("_NET_WM_PING") {
            // Yes, we live.
            let answer = ClientMessageEvent {
                response_type: CLIENT_MESSAGE_EVENT,
                window: server.root,
                ..*event
            };
            let request = SendEventRequest {
                propagate: false,
                destination: server.root,
                event_mask: EventMask::SUBSTRUCTURE_NOTIFY | EventMask::SUBSTRUCTURE_REDIRECT,
                event: Cow::Owned(answer.into()),
            };
            link.client.send(request.serialize());
        }
    }
}
