//! A swapchain lends few buffers, and a buffer whose stale part was drawn is the newest picture.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

use std::convert::Infallible;

use gpu_buffer::Rect;
use gpu_display::{Lease, Swapchain};
use proptest::prelude::*;

const WIDTH: u32 = 8;

/// A picture of one row; each pixel is the number of the step that drew it.
type Pixels = Vec<u32>;

fn row(x: u32, width: u32) -> Rect {
    Rect::new(x, 0, width, 1)
}

fn acquire(chain: &mut Swapchain<Pixels>) -> Option<Lease<Pixels>> {
    let fresh = || Ok::<_, Infallible>(vec![u32::MAX; WIDTH as usize]);
    chain.acquire(fresh).unwrap()
}

fn draw_stale(lease: &mut Lease<Pixels>, newest: &[u32]) {
    for rect in lease.stale.rects() {
        let pixels = rect.x as usize..(rect.x + rect.width) as usize;
        lease.buffer[pixels.clone()].copy_from_slice(&newest[pixels]);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Damage { x: u32, width: u32 },
    Acquire,
    Release { which: usize },
    Resize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..WIDTH, 1..=WIDTH).prop_map(|(x, width)| Step::Damage { x, width }),
        3 => Just(Step::Acquire),
        3 => (0_usize..3).prop_map(|which| Step::Release { which }),
        1 => Just(Step::Resize),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn whatever_happens_a_drawn_buffer_is_the_newest_picture(
        limit in 1_usize..=3,
        steps in steps(),
    ) {
        let mut chain = Swapchain::new(row(0, WIDTH), limit);
        let mut newest: Pixels = vec![0; WIDTH as usize];
        let mut lent: Vec<(Lease<Pixels>, bool)> = Vec::new();

        for (step, now) in steps.into_iter().zip(1..) {
            match step {
                Step::Damage { x, width } => {
                    let width = width.min(WIDTH - x);
                    newest[x as usize..(x + width) as usize].fill(now);
                    chain.damage(row(x, width));
                    prop_assert!(chain.has_news());
                }
                Step::Acquire => {
                    let free = lent.len() < limit;
                    prop_assert_eq!(chain.can_acquire(), free);
                    let lease = acquire(&mut chain);
                    prop_assert_eq!(lease.is_some(), free);
                    if let Some(mut lease) = lease {
                        draw_stale(&mut lease, &newest);
                        prop_assert_eq!(&lease.buffer, &newest);
                        prop_assert!(!chain.has_news());
                        lent.push((lease, true));
                    }
                }
                Step::Release { which } => {
                    if which < lent.len() {
                        let (lease, current) = lent.remove(which);
                        prop_assert_eq!(chain.release(lease).is_none(), current);
                    }
                }
                Step::Resize => {
                    chain.resize(row(0, WIDTH));
                    for (_, current) in &mut lent {
                        *current = false;
                    }
                }
            }
        }
    }
}

#[test]
fn a_new_buffer_is_stale_as_a_whole() {
    let mut chain = Swapchain::new(row(0, WIDTH), 2);

    assert_eq!(acquire(&mut chain).unwrap().stale.rects(), [row(0, WIDTH)]);
}

#[test]
fn a_recycled_buffer_is_stale_only_where_the_picture_changed_since() {
    let mut chain = Swapchain::new(row(0, WIDTH), 2);
    let lease = acquire(&mut chain).unwrap();
    chain.damage(row(1, 1));
    chain.release(lease);
    chain.damage(row(5, 2));

    let again = acquire(&mut chain).unwrap();

    assert_eq!(again.stale.rects(), [row(1, 1), row(5, 2)]);
    chain.release(again);
    assert!(acquire(&mut chain).unwrap().stale.is_empty());
}

#[test]
fn the_buffer_with_the_least_to_draw_is_lent() {
    let mut chain = Swapchain::new(row(0, WIDTH), 2);
    let older = acquire(&mut chain).unwrap();
    chain.damage(row(0, 4));
    let mut newer = acquire(&mut chain).unwrap();
    newer.buffer[0] = 77;
    chain.release(older);
    chain.release(newer);

    assert_eq!(acquire(&mut chain).unwrap().buffer[0], 77);
}

#[test]
fn no_buffer_is_made_while_one_is_free() {
    let mut chain = Swapchain::new(row(0, WIDTH), 3);
    let mut made = 0;
    for _ in 0..10 {
        let lease = chain.acquire(|| {
            made += 1;
            Ok::<_, Infallible>(vec![0])
        });
        chain.release(lease.unwrap().unwrap());
    }

    assert_eq!(made, 1);
}

#[test]
fn changes_of_size_do_not_pile_up_lent_buffers() {
    let mut chain = Swapchain::new(row(0, WIDTH), 2);
    let first = acquire(&mut chain).unwrap();
    chain.resize(row(0, WIDTH));
    let _second = acquire(&mut chain).unwrap();
    chain.resize(row(0, WIDTH));
    assert!(acquire(&mut chain).is_none());

    let old = chain.release(first);

    assert!(old.is_some(), "a buffer of an old size has no place");
    assert!(acquire(&mut chain).is_some());
}

#[test]
fn a_buffer_that_could_not_be_made_is_not_lent() {
    let mut chain: Swapchain<Pixels> = Swapchain::new(row(0, WIDTH), 1);
    chain.damage(row(0, 1));

    assert_eq!(chain.acquire(|| Err("no memory")).unwrap_err(), "no memory");

    assert!(chain.has_news());
    assert!(acquire(&mut chain).is_some());
}

#[test]
fn damage_outside_the_picture_is_no_news() {
    let mut chain: Swapchain<Pixels> = Swapchain::new(row(0, WIDTH), 1);

    chain.damage(row(WIDTH, 5));
    chain.damage(Rect::default());

    assert!(!chain.has_news());
}

#[test]
fn a_chain_has_one_to_three_buffers() {
    for (asked, given) in [(0, 1), (1, 1), (3, 3), (100, 3)] {
        let mut chain = Swapchain::new(row(0, WIDTH), asked);
        let leases: Vec<_> = std::iter::from_fn(|| acquire(&mut chain)).collect();
        assert_eq!(leases.len(), given);
    }
}
