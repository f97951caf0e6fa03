//! Rectangles behave for every value of their four fields.
#![allow(clippy::arithmetic_side_effects)]

use gpu_buffer::Rect;
use proptest::prelude::*;

const MAX: u32 = u32::MAX;

fn any_rect() -> impl Strategy<Value = Rect> {
    let number = || prop_oneof![0_u32..12, any::<u32>(), Just(MAX)];
    (number(), number(), number(), number()).prop_map(|(x, y, w, h)| Rect::new(x, y, w, h))
}

fn has(rect: &Rect, x: u64, y: u64) -> bool {
    let [left, top, width, height] = [rect.x, rect.y, rect.width, rect.height].map(u64::from);
    x >= left && x < left + width && y >= top && y < top + height
}

/// Every corner of the rectangles, from within and from without.
fn probes(rects: [&Rect; 2]) -> Vec<(u64, u64)> {
    let near = |edge: u64| [edge.saturating_sub(1), edge, edge + 1];
    let xs: Vec<u64> = rects
        .iter()
        .flat_map(|rect| [u64::from(rect.x), u64::from(rect.x) + u64::from(rect.width)])
        .flat_map(near)
        .collect();
    let ys: Vec<u64> = rects
        .iter()
        .flat_map(|rect| {
            [
                u64::from(rect.y),
                u64::from(rect.y) + u64::from(rect.height),
            ]
        })
        .flat_map(near)
        .collect();
    xs.iter()
        .flat_map(|&x| ys.iter().map(move |&y| (x, y)))
        .collect()
}

proptest! {
    #[test]
    fn an_intersection_has_exactly_the_shared_pixels(a in any_rect(), b in any_rect()) {
        let shared = a.intersection(&b);

        for (x, y) in probes([&a, &b]) {
            let expected = has(&a, x, y) && has(&b, x, y);
            prop_assert_eq!(shared.is_some_and(|rect| has(&rect, x, y)), expected);
        }
        prop_assert!(shared.is_none_or(|rect| !rect.is_empty()));
    }

    #[test]
    fn a_union_covers_both(a in any_rect(), b in any_rect()) {
        let union = a.union(&b);

        for (x, y) in probes([&a, &b]) {
            if (has(&a, x, y) || has(&b, x, y)) && x < u64::from(MAX) && y < u64::from(MAX) {
                prop_assert!(has(&union, x, y), "{:?} misses {},{}", union, x, y);
            }
        }
    }

    #[test]
    fn a_rectangle_contains_another_if_it_has_all_its_pixels(a in any_rect(), b in any_rect()) {
        prop_assume!(!b.is_empty());
        let corners = [(b.x.into(), b.y.into()), (b.right() - 1, b.bottom() - 1)];

        prop_assert_eq!(a.contains(&b), corners.iter().all(|&(x, y)| has(&a, x, y)));
    }
}

#[test]
fn edges_do_not_wrap() {
    let rect = Rect::new(MAX, MAX, MAX, MAX);

    assert_eq!(rect.right(), 0x1_ffff_fffe);
    assert_eq!(rect.bottom(), 0x1_ffff_fffe);
    assert_eq!(rect.area(), 0xffff_fffe_0000_0001);
    assert!(!Rect::from_size(64, 64).contains(&Rect::new(1, 0, MAX, 1)));
}

#[test]
fn rectangles_that_only_touch_share_no_pixel() {
    let left = Rect::new(0, 0, 4, 4);

    assert_eq!(left.intersection(&Rect::new(4, 0, 4, 4)), None);
    assert_eq!(left.intersection(&Rect::new(0, 4, 4, 4)), None);
    assert_eq!(left.intersection(&Rect::new(3, 3, 0, 1)), None);
}

#[test]
fn an_empty_rectangle_adds_nothing_to_a_union() {
    let rect = Rect::new(5, 6, 7, 8);

    assert_eq!(rect.union(&Rect::new(100, 100, 0, 3)), rect);
    assert_eq!(Rect::new(100, 100, 3, 0).union(&rect), rect);
    assert_eq!(rect.union(&Rect::new(1, 20, 1, 1)), Rect::new(1, 6, 11, 15));
}

#[test]
fn a_rectangle_has_a_place_only_from_an_origin_above_and_left_of_it() {
    let rect = Rect::new(10, 20, 3, 4);

    assert_eq!(rect.relative_to(10, 5), Some(Rect::new(0, 15, 3, 4)));
    assert_eq!(rect.relative_to(11, 0), None);
    assert_eq!(rect.relative_to(0, 21), None);
}
