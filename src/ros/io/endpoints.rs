//! Publishers and subscriptions by topic, created once in the node's life: a node that is cleaned
//! up and configured again uses them again, so that repeating it leaks nothing.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context as Poller, Poll};

use futures::Stream;
use futures::task::noop_waker;
use r2r::{Node, Publisher, PublisherUntyped, QosProfile};

use super::speed_limit::SpeedLimit;
use super::tf_listener::TfListener;
use crate::ros::error::{RunError, ros};

/// The serialized messages of a subscription.
pub type ByteStream = Pin<Box<dyn Stream<Item = Vec<u8>> + Send>>;

/// The publishers and subscriptions made so far.
#[derive(Default)]
pub struct Endpoints {
    publishers: HashMap<(String, String), PublisherUntyped>,
    speed_limits: HashMap<String, Publisher<SpeedLimit>>,
    /// Those that are not in use just now.
    subscriptions: HashMap<Subscription, ByteStream>,
    listeners: Vec<TfListener>,
}

/// The key of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// Topic, as the parameter says.
    pub topic: String,
    /// Its type.
    pub message: String,
    /// Whether lost messages are sent again.
    pub reliable: bool,
    /// Messages kept until they are read.
    pub depth: usize,
}

impl Endpoints {
    /// A publisher of raw messages.
    pub fn publisher(
        &mut self,
        node: &mut Node,
        topic: &str,
        message: &str,
        qos: QosProfile,
    ) -> Result<PublisherUntyped, RunError> {
        let key = (topic.to_owned(), message.to_owned());
        if let Some(known) = self.publishers.get(&key) {
            return Ok(known.clone());
        }
        let made = ros(
            format!("publishing {topic}"),
            node.create_publisher_untyped(topic, message, qos),
        )?;
        self.publishers.insert(key, made.clone());
        Ok(made)
    }

    /// A publisher of speed limits; the type support must be loaded.
    pub fn speed_limit(
        &mut self,
        node: &mut Node,
        topic: &str,
    ) -> Result<Publisher<SpeedLimit>, RunError> {
        if let Some(known) = self.speed_limits.get(topic) {
            return Ok(known.clone());
        }
        let qos = QosProfile::default().keep_last(1).transient_local();
        let doing = format!("publishing {topic}");
        let made: Publisher<SpeedLimit> = ros(doing, node.create_publisher(topic, qos))?;
        self.speed_limits.insert(topic.to_owned(), made.clone());
        Ok(made)
    }

    /// A subscription to raw messages; give it back with [`Endpoints::give_back`].
    pub fn subscribe(
        &mut self,
        node: &mut Node,
        wanted: &Subscription,
    ) -> Result<ByteStream, RunError> {
        if let Some(mut known) = self.subscriptions.remove(wanted) {
            // What arrived while it was not in use is old.
            while waiting(&mut known).is_some() {}
            return Ok(known);
        }
        let qos = match wanted.reliable {
            true => QosProfile::default(),
            false => QosProfile::sensor_data(),
        };
        let stream = ros(
            format!("subscribing to {} ({})", wanted.topic, wanted.message),
            node.subscribe_raw(&wanted.topic, &wanted.message, qos.keep_last(wanted.depth)),
        )?;
        Ok(Box::pin(stream))
    }

    /// The listener to a robot's tf on these topics; give it back with
    /// [`Endpoints::give_back_listener`].
    pub fn listener(
        &mut self,
        node: &mut Node,
        topics: [String; 2],
    ) -> Result<TfListener, RunError> {
        let known = self
            .listeners
            .iter()
            .position(|known| *known.topics() == topics);
        match known {
            Some(index) => {
                let mut listener = self.listeners.swap_remove(index);
                listener.keep();
                Ok(listener)
            }
            None => TfListener::new(node, topics),
        }
    }

    /// Gives a listener back, with what it has received.
    pub fn give_back_listener(&mut self, listener: TfListener) {
        self.listeners.push(listener);
    }

    /// Static transforms are sent once: none is lost while no robot uses them.
    pub fn keep_transforms(&mut self) {
        self.listeners.iter_mut().for_each(TfListener::keep);
    }

    /// Keeps it for the next [`Endpoints::subscribe`].
    pub fn give_back(&mut self, subscription: Subscription, stream: ByteStream) {
        self.subscriptions.insert(subscription, stream);
    }
}

/// The next message that waits; none, too, of a stream that has ended, which is ready for ever.
pub fn waiting<T>(stream: &mut Pin<Box<dyn Stream<Item = T> + Send>>) -> Option<T> {
    let waker = noop_waker();
    match stream.as_mut().poll_next(&mut Poller::from_waker(&waker)) {
        Poll::Ready(message) => message,
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_has_ended_has_nothing_waiting() {
        let mut stream: ByteStream = Box::pin(futures::stream::iter([vec![1], vec![2]]));
        assert_eq!(waiting(&mut stream), Some(vec![1]));
        let mut rest = 0;
        while waiting(&mut stream).is_some() {
            rest += 1;
            assert!(rest < 9, "never ends");
        }
        assert_eq!(rest, 1);
        let mut silent: ByteStream = Box::pin(futures::stream::pending());
        assert_eq!(waiting(&mut silent), None);
    }
}
