//! Keeps the process alive when mapped memory is taken away.
//!
//! Touching a page of a file that its owner has made shorter is a `SIGBUS`, and ends the process.
//! Memory files that are sealed against shrinking cannot do that; a mapping that cannot be trusted
//! is guarded here: the first touch of a missing page puts a page of zeroes there, marks the mapping
//! as dead, and the access goes on, in C libraries, too. Whoever reads asks afterwards
//! ([`RegionGuard::is_dead`]).
//!
//! The handler is installed once, at the first guard, and stays. A `SIGBUS` that is not about
//! guarded memory goes to the handler that was there before. Huge pages of hugetlbfs cannot be
//! replaced one small page at a time: there the signal keeps its old meaning.
#![allow(unsafe_code)]

use std::io;
use std::mem::{MaybeUninit, transmute};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};

use nix::libc::{self, c_int, c_void, siginfo_t};
use vm_memory::MmapRegion;

use crate::Error;

/// The handler looks through all of them.
const LIMIT: usize = 256;

static SLOTS: [Slot; LIMIT] = [const { Slot::new() }; LIMIT];
static PAGE: AtomicUsize = AtomicUsize::new(4096);
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();
/// Whether the handler is there, or the error number why not.
static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();

/// One guarded mapping. Written by the guard's owner, read by the handler, which may wait for
/// nobody: `generation` is odd while the rest may be believed.
struct Slot {
    taken: AtomicBool,
    generation: AtomicU64,
    start: AtomicUsize,
    end: AtomicUsize,
    dead: AtomicBool,
}

impl Slot {
    const fn new() -> Self {
        Self {
            taken: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
        }
    }

    fn contains(&self, address: usize) -> bool {
        let generation = self.generation.load(Ordering::Acquire);
        let start = self.start.load(Ordering::Relaxed);
        let end = self.end.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let live = !generation.is_multiple_of(2);
        live && self.generation.load(Ordering::Relaxed) == generation
            && (start..end).contains(&address)
    }
}

/// Guards a mapping of somebody else's file, such as a guest's memory, and keeps it mapped.
#[derive(Debug)]
pub struct RegionGuard {
    // Ends before the mapping.
    guard: Guard,
    _mapping: Arc<MmapRegion>,
}

impl RegionGuard {
    /// Guards `mapping` until dropped. From the first one on the handler of `SIGBUS` is this
    /// crate's.
    ///
    /// # Errors
    /// [`Error::Guard`], [`Error::TooManyGuards`].
    pub fn new(mapping: Arc<MmapRegion>) -> Result<Self, Error> {
        Ok(Self {
            guard: Guard::new(&mapping)?,
            _mapping: mapping,
        })
    }

    /// Whether a page of the mapping was missing when it was touched; what was read of it is zero,
    /// and what was written is lost. It stays so.
    pub fn is_dead(&self) -> bool {
        self.guard.is_dead()
    }
}

/// Guards a mapping while it lives. Drop it before the mapping.
#[derive(Debug)]
pub(crate) struct Guard {
    slot: &'static Slot,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Slot")
            .field("dead", &self.dead)
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// Guards `mapping`.
    ///
    /// # Errors
    /// [`Error::Guard`], [`Error::TooManyGuards`].
    pub(crate) fn new(mapping: &MmapRegion) -> Result<Self, Error> {
        INSTALLED
            .get_or_init(install)
            .map_err(|code| Error::Guard(io::Error::from_raw_os_error(code)))?;
        let free = |slot: &&Slot| {
            let taken = &slot.taken;
            taken
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        };
        let slot = SLOTS
            .iter()
            .find(free)
            .ok_or(Error::TooManyGuards { limit: LIMIT })?;
        let start = mapping.as_ptr().addr();
        // Who sees the new range sees that the old one ended.
        fence(Ordering::Release);
        slot.dead.store(false, Ordering::Relaxed);
        slot.start.store(start, Ordering::Relaxed);
        slot.end
            .store(start.saturating_add(mapping.size()), Ordering::Relaxed);
        slot.generation.fetch_add(1, Ordering::Release);
        Ok(Self { slot })
    }

    /// Whether a page of the mapping was missing when it was touched; what was read from there on
    /// is zero, and what was written is lost.
    pub(crate) fn is_dead(&self) -> bool {
        self.slot.dead.load(Ordering::Acquire)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.slot.generation.fetch_add(1, Ordering::Release);
        self.slot.taken.store(false, Ordering::Release);
    }
}

fn install() -> Result<(), i32> {
    let last = || io::Error::last_os_error().raw_os_error().unwrap_or(0);
    // SAFETY: a question about a constant.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    PAGE.store(
        usize::try_from(page).map_err(|_| last())?,
        Ordering::Relaxed,
    );

    let mut old = MaybeUninit::uninit();
    // SAFETY: no new action is given; `old` is a place for the present one.
    if unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), old.as_mut_ptr()) } != 0 {
        return Err(last());
    }
    // Known before the first signal can come to us.
    // SAFETY: the call before has filled it.
    PREVIOUS.get_or_init(|| unsafe { old.assume_init() });

    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = on_sigbus;
    // SAFETY: all fields of the structure are plain numbers or an optional function.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: the action is complete; its handler does only what a signal handler may (see there)
    // and lives as long as the program.
    match unsafe { libc::sigaction(libc::SIGBUS, &raw const action, null_mut()) } {
        0 => Ok(()),
        _ => Err(last()),
    }
}

/// Async-signal-safe: it reads and writes atomic numbers and makes system calls, nothing else. It
/// returns to the access that failed, which then finds a page.
extern "C" fn on_sigbus(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid structure, as the action has SA_SIGINFO.
    let fault = unsafe { &*info };
    // SAFETY: a field of the union that can be read as a number whatever is in it; it is believed
    // only where the code says that it is an address.
    let address = unsafe { fault.si_addr() }.addr();
    let is_fault = fault.si_code == libc::BUS_ADRERR;
    let guarded = || SLOTS.iter().filter(|slot| slot.contains(address));
    if is_fault && guarded().next().is_some() && put_zeroes(address) {
        // A mapping may have several guards.
        for slot in guarded() {
            slot.dead.store(true, Ordering::Release);
        }
    } else {
        pass_on(signal, info, context);
    }
}

fn put_zeroes(address: usize) -> bool {
    let page = PAGE.load(Ordering::Relaxed);
    let start = address & !page.wrapping_sub(1);
    // SAFETY: the location of the thread's own number, which the interrupted code must find as it was.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let kept = unsafe { *errno };
    // SAFETY: the page belongs to a guarded mapping, which is only used as volatile memory; that
    // its content changes is what such memory may do. The guard ends before the mapping does, so the
    // page is nobody else's.
    let mapped = unsafe {
        libc::mmap(
            start as *mut c_void,
            page,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    // SAFETY: as above.
    unsafe { *errno = kept };
    mapped != libc::MAP_FAILED
}

/// Does with a signal what would have been done without us.
fn pass_on(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let previous = PREVIOUS.get();
    let handler = previous.map_or(libc::SIG_DFL, |action| action.sa_sigaction);
    let flags = previous.map_or(0, |action| action.sa_flags);
    // SAFETY: the kernel's structure is valid while the handler runs.
    let sent = unsafe { (*info).si_code } <= 0;
    match handler {
        // A fault cannot be ignored: the kernel ends the process.
        libc::SIG_IGN if sent => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: the default action for the signal, which then ends the process when this
            // handler returns: by the fault's coming again, or by the signal raised here.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
            // SAFETY: allowed in a handler; the signal is blocked until it returns.
            unsafe { libc::raise(signal) };
        }
        handler if flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: an action with SA_SIGINFO has a handler of three arguments.
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                unsafe { transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: an action without SA_SIGINFO has a handler of one argument.
            let handler: extern "C" fn(c_int) = unsafe { transmute(handler) };
            handler(signal);
        }
    }
}
