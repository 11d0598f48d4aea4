//! The body of an answer of a service with routes in front of it.

use crate::serve::phase::Phase;
use crate::serve::routes_tree::Tree;
use crate::time::{self, Sleep};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How often the tree is sent to a reader of events.
const PERIOD: Duration = Duration::from_secs(1);

pin_project! {
    /// The body of an answer of a [`Routed`](crate::serve::Routed) service: that of a route, or
    /// that of the service.
    ///
    /// # Examples
    ///
    /// ```
    /// use http_body_util::Full;
    /// use hyper::body::{Body, Bytes};
    /// use spinney::serve::RoutedBody;
    ///
    /// fn length(body: &RoutedBody<Full<Bytes>>) -> Option<u64> {
    ///     body.size_hint().exact()
    /// }
    /// ```
    pub struct RoutedBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        OfService { #[pin] body: B },
        Own { bytes: Option<Bytes> },
        Events { events: Events },
    }
}

impl<B> RoutedBody<B> {
    pub(super) fn of_service(body: B) -> Self {
        Self {
            kind: Kind::OfService { body },
        }
    }

    pub(super) fn own(bytes: Bytes) -> Self {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        Self {
            kind: Kind::Own { bytes },
        }
    }

    pub(super) fn events(tree: Tree) -> Self {
        let events = Events { tree, step: None };
        Self {
            kind: Kind::Events { events },
        }
    }
}

/// The tree, once a second, until the server drains.
struct Events {
    tree: Tree,
    step: Option<Step>,
}

enum Step {
    Making(Pin<Box<dyn Future<Output = Bytes> + Send>>),
    /// Ready early if the server drains.
    Pausing(Pin<Box<dyn Future<Output = ()> + Send>>, Sleep),
}

impl Events {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.tree.server.phase() >= Phase::Draining {
                return Poll::Ready(None);
            }
            match &mut self.step {
                None => self.step = Some(Step::Making(Box::pin(self.tree.clone().event()))),
                Some(Step::Making(making)) => {
                    let event = ready!(making.as_mut().poll(cx));
                    let drains = self.tree.server.reached(Phase::Draining);
                    self.step = Some(Step::Pausing(Box::pin(drains), time::sleep(PERIOD)));
                    return Poll::Ready(Some(event));
                }
                Some(Step::Pausing(drains, pause)) => {
                    if drains.as_mut().poll(cx).is_pending() {
                        ready!(Pin::new(pause).poll(cx));
                    }
                    self.step = None;
                }
            }
        }
    }
}

impl<B: Body<Data = Bytes>> Body for RoutedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let own = match self.project().kind.project() {
            KindProjection::OfService { body } => return body.poll_frame(cx),
            KindProjection::Own { bytes } => bytes.take(),
            KindProjection::Events { events } => ready!(events.poll(cx)),
        };
        Poll::Ready(own.map(Frame::data).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::OfService { body } => body.is_end_stream(),
            Kind::Own { bytes } => bytes.is_none(),
            Kind::Events { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::OfService { body } => body.size_hint(),
            Kind::Own { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Kind::Events { .. } => SizeHint::default(),
        }
    }
}

impl<B> fmt::Debug for RoutedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoutedBody").finish_non_exhaustive()
    }
}
