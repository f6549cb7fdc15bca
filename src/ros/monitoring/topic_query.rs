//! Asks for all topics on the graph with their types, with a node of its own that exists for this
//! question.
//!
//! r2r 0.9.7 can list topics too, but reads beyond its array where the last of them have several
//! types (`get_topic_names_and_types` takes the count of types for a count of topics), and its node
//! cannot be lent to rcl. So this asks rcl itself, on a thread that nothing waits for.

use std::ffi::{CStr, c_char};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use r2r_rcl as rcl;

/// How long the new node listens before it reads the list: discovery takes its time.
const LISTEN: Duration = Duration::from_millis(2000);
const STEP: Duration = Duration::from_millis(20);

/// A topic and the types it has.
pub type Topic = (String, Vec<String>);

/// The result of a query.
pub enum QueryResult {
    /// All that others publish or listen to.
    Topics(Vec<Topic>),
    /// The query failed: not known, which is not the same as none.
    Unknown,
}

/// A query that is under way, or done.
pub struct TopicQuery {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<Vec<Topic>>>>,
    found: Option<QueryResult>,
}

impl TopicQuery {
    /// Begins; done after two seconds and a bit.
    pub fn begin() -> TopicQuery {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = std::thread::Builder::new().name("topic-query".into());
        let thread = thread.spawn(move || {
            let mut node = OwnNode::new()?;
            let mut listened = Duration::ZERO;
            while listened < LISTEN && !ended.load(Ordering::Acquire) {
                std::thread::sleep(STEP);
                listened += STEP;
            }
            node.topics()
        });
        TopicQuery {
            over,
            thread: thread.ok(),
            found: None,
        }
    }

    /// The result, once it is there.
    pub fn found(&mut self) -> Option<&QueryResult> {
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) && self.found.is_none() {
            let told = self.thread.take().map(JoinHandle::join);
            let told = told.and_then(Result::ok).flatten();
            self.found = Some(told.map_or(QueryResult::Unknown, QueryResult::Topics));
        }
        self.found.as_ref()
    }
}

impl Drop for TopicQuery {
    /// DDS must not be in use when the process ends.
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A node in a context of its own; boxed, since rcl keeps pointers between them.
struct OwnNode {
    options: Box<rcl::rcl_init_options_t>,
    context: Box<rcl::rcl_context_t>,
    node: Box<rcl::rcl_node_t>,
    has_context: bool,
    has_node: bool,
}

impl OwnNode {
    fn new() -> Option<OwnNode> {
        // SAFETY: rcl's documented order: everything starts zeroed and is initialised once; all of
        // it lives in boxes that do not move until `drop` ends it in the reverse order. No
        // arguments are handed over (a count of 0 allows null), names are terminated, and the
        // default options of a node own nothing that outlives the call.
        unsafe {
            let allocator = rcl::rcutils_get_default_allocator();
            let mut own = OwnNode {
                options: Box::new(rcl::rcl_get_zero_initialized_init_options()),
                context: Box::new(rcl::rcl_get_zero_initialized_context()),
                node: Box::new(rcl::rcl_get_zero_initialized_node()),
                has_context: false,
                has_node: false,
            };
            if rcl::rcl_init_options_init(&mut *own.options, allocator) != 0 {
                return None;
            }
            let none: *const *const c_char = std::ptr::null();
            if rcl::rcl_init(0, none, &*own.options, &mut *own.context) != 0 {
                return None;
            }
            own.has_context = true;
            let mut options = rcl::rcl_node_get_default_options();
            // Its global arguments are those of its own context: none.
            options.enable_rosout = false;
            // The underscore hides it from `ros2 node list`.
            let name = c"_edge_reasoner_survey".as_ptr();
            let context = &mut *own.context;
            let made = rcl::rcl_node_init(&mut *own.node, name, c"".as_ptr(), context, &options);
            own.has_node = made == 0;
            own.has_node.then_some(own)
        }
    }

    fn topics(&mut self) -> Option<Vec<Topic>> {
        let mut topics = None;
        // SAFETY: the node is valid. Where rcl succeeds, `names.data` and `types` hold `names.size`
        // entries each, and every `types[i].data` holds `types[i].size` terminated strings
        // (rmw/names_and_types.h); they are copied before they are freed, once.
        unsafe {
            let mut allocator = rcl::rcutils_get_default_allocator();
            let mut all = rcl::rmw_get_zero_initialized_names_and_types();
            let asked =
                rcl::rcl_get_topic_names_and_types(&*self.node, &mut allocator, false, &mut all);
            if asked == 0 {
                // Nobody there: no arrays either.
                let none = all.names.data.is_null() || all.types.is_null();
                let count = if none { 0 } else { all.names.size };
                let named = (0..count).map(|index| {
                    let types = &*all.types.add(index);
                    let types = (0..types.size).map(|number| text(*types.data.add(number)));
                    (text(*all.names.data.add(index)), types.collect())
                });
                topics = Some(named.collect());
            }
            rcl::rmw_names_and_types_fini(&mut all);
        }
        topics
    }
}

/// # Safety
/// Null, or a terminated string.
unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(string) }
        .to_string_lossy()
        .into_owned()
}

impl Drop for OwnNode {
    fn drop(&mut self) {
        // SAFETY: each was initialised, is ended once, and what it rests on is ended after it;
        // ending options that stayed zeroed is refused by rcl and changes nothing.
        unsafe {
            if self.has_node {
                rcl::rcl_node_fini(&mut *self.node);
            }
            if self.has_context {
                rcl::rcl_shutdown(&mut *self.context);
                rcl::rcl_context_fini(&mut *self.context);
            }
            rcl::rcl_init_options_fini(&mut *self.options);
            rcl::rcutils_reset_error();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_and_tells_what_there_is_and_may_be_given_up() {
        let began = std::time::Instant::now();
        drop(TopicQuery::begin());
        assert!(began.elapsed() < LISTEN, "given up");
        let mut topic_query = TopicQuery::begin();
        assert!(topic_query.found().is_none(), "it takes its time");
        while topic_query.found().is_none() {
            std::thread::sleep(STEP);
        }
        let Some(QueryResult::Topics(topics)) = topic_query.found() else {
            panic!("ROS could not be asked");
        };
        // Nobody else need be here: that it was asked, and names are sound, is what counts.
        for (topic, types) in topics {
            assert!(topic.starts_with('/') && types.iter().all(|t| t.contains("/msg/")));
        }
    }
}
