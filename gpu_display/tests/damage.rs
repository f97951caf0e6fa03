//! Damage is bounded and never forgets a pixel.
#![allow(clippy::arithmetic_side_effects)]

use gpu_buffer::Rect;
use gpu_display::Damage;
use proptest::prelude::*;

fn damage(rects: &[Rect]) -> Damage {
    let mut damage = Damage::new();
    for &rect in rects {
        damage.add(rect);
    }
    damage
}

fn covers(damage: &Damage, x: u32, y: u32) -> bool {
    let pixel = Rect::new(x, y, 1, 1);
    damage.rects().iter().any(|rect| rect.contains(&pixel))
}

fn rects(size: u32) -> impl Strategy<Value = Vec<Rect>> {
    let rect = (0..size, 0..size, 0..size / 3, 0..size / 3)
        .prop_map(|(x, y, width, height)| Rect::new(x, y, width, height));
    prop::collection::vec(rect, 0..60)
}

proptest! {
    #[test]
    fn every_added_pixel_is_covered(rects in rects(24)) {
        let damage = damage(&rects);

        for rect in &rects {
            for y in rect.y..rect.y + rect.height {
                for x in rect.x..rect.x + rect.width {
                    prop_assert!(covers(&damage, x, y), "{:?} lost {},{}", damage, x, y);
                }
            }
        }
    }

    #[test]
    fn the_rectangles_are_few_and_never_overlap(rects in rects(3000)) {
        let damage = damage(&rects);

        prop_assert!(damage.rects().len() <= 16);
        for (i, a) in damage.rects().iter().enumerate() {
            prop_assert!(!a.is_empty());
            for b in &damage.rects()[i + 1..] {
                prop_assert_eq!(a.intersection(b), None);
            }
        }
    }

    #[test]
    fn the_bounds_are_those_of_what_was_added(rects in rects(3000)) {
        let expected = rects
            .iter()
            .filter(|rect| !rect.is_empty())
            .copied()
            .reduce(|a, b| a.union(&b));

        prop_assert_eq!(damage(&rects).bounds(), expected);
    }

    #[test]
    fn clipping_leaves_exactly_the_pixels_inside(rects in rects(24), clip in rects(24)) {
        let clip = clip.first().copied().unwrap_or(Rect::new(3, 4, 5, 6));
        let whole = damage(&rects);
        let mut clipped = whole.clone();
        clipped.clip(&clip);

        for y in 0..32 {
            for x in 0..32 {
                let inside = clip.contains(&Rect::new(x, y, 1, 1));
                prop_assert_eq!(covers(&clipped, x, y), inside && covers(&whole, x, y));
            }
        }
    }

    #[test]
    fn numbers_at_the_edge_do_not_wrap(
        x in prop_oneof![Just(u32::MAX), Just(u32::MAX - 1), 0_u32..4],
        width in prop_oneof![Just(u32::MAX), 1_u32..4],
    ) {
        let damage = damage(&[Rect::new(x, 0, width, 1), Rect::new(0, u32::MAX - 1, 1, 5)]);

        prop_assert!(covers(&damage, 0, u32::MAX - 1));
        prop_assert_eq!(covers(&damage, x, 0), x < u32::MAX);
    }
}

#[test]
fn distant_rectangles_stay_apart() {
    let far = [Rect::new(0, 0, 4, 4), Rect::new(100, 100, 4, 4)];

    assert_eq!(damage(&far).rects(), far);
}

#[test]
fn a_contained_rectangle_changes_nothing_in_either_order() {
    let (outer, inner) = (Rect::new(0, 0, 10, 10), Rect::new(2, 2, 3, 3));

    assert_eq!(damage(&[outer, inner]).rects(), [outer]);
    assert_eq!(damage(&[inner, outer]).rects(), [outer]);
}

#[test]
fn overlapping_rectangles_become_one() {
    let overlapping = [Rect::new(0, 0, 10, 10), Rect::new(5, 5, 10, 10)];

    assert_eq!(damage(&overlapping).rects(), [Rect::new(0, 0, 15, 15)]);
}

#[test]
fn tiles_that_fill_a_rectangle_become_it() {
    let tiles = [
        Rect::new(0, 0, 8, 8),
        Rect::new(8, 0, 8, 8),
        Rect::new(0, 8, 16, 8),
    ];

    assert_eq!(damage(&tiles).rects(), [Rect::new(0, 0, 16, 16)]);
}

#[test]
fn beyond_sixteen_the_nearest_two_are_merged() {
    let mut spread: Vec<Rect> = (0..16).map(|i| Rect::new(i * 100, 0, 10, 10)).collect();
    spread.push(Rect::new(312, 0, 10, 10));

    let merged = damage(&spread);

    assert_eq!(merged.rects().len(), 16);
    assert!(merged.rects().contains(&Rect::new(300, 0, 22, 10)));
}

#[test]
fn taking_leaves_nothing() {
    let mut whole = damage(&[Rect::new(1, 2, 3, 4), Rect::default()]);

    let taken = whole.take();

    assert_eq!(taken.rects(), [Rect::new(1, 2, 3, 4)]);
    assert!(whole.is_empty());
    assert_eq!(whole.bounds(), None);
}
