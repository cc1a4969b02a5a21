//! Which fields share a cache line.

use std::mem::{align_of, offset_of};

use threadwise_testkit::FakeManager;

use crate::core::Core;
use crate::thread_slot::ThreadSlot;

#[test]
fn what_each_use_reads_shares_no_cache_line_with_what_other_threads_write() {
    type Fake = Core<FakeManager>;
    const LINE: usize = 128;
    let line = |offset: usize| offset / LINE;
    let read = [offset_of!(Fake, key), offset_of!(Fake, flags)].map(line);
    let written = [offset_of!(Fake, handles), offset_of!(Fake, counts), offset_of!(Fake, registry)];
    assert!(written.iter().all(|offset| offset % LINE == 0 && !read.contains(&line(*offset))));
    assert_eq!(align_of::<Fake>(), LINE, "the counts of the `Arc` around it have their own line");
    assert_eq!(align_of::<ThreadSlot<FakeManager>>(), LINE, "each thread's slot has its own line");
}
