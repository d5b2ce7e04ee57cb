//! Positions and survival.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

fn read(text: &str) -> (Node, Vec<Fault>) {
    let mut faults = Vec::new();
    let place = |marker: &Marker| Origin::File {
        line: u32::try_from(marker.line()).unwrap(),
        column: u32::try_from(marker.col() + 1).unwrap(),
    };
    let node = parse(text, &place, &mut faults);
    (node, faults)
}

fn place(line: u32, column: u32) -> Origin {
    Origin::File { line, column }
}

#[test]
fn every_node_knows_its_place() {
    let (root, faults) = read("a:\n  - x\n  - {b: 'null', c: }\nd: ~\n");
    assert_eq!(faults, []);
    let list = root.child("a").unwrap();
    assert!(list.origin == place(2, 3));
    let Value::List(items) = &list.value else { panic!("a list") };
    let [first, second] = items.as_slice() else { panic!("two items") };
    assert!(*first == Node::plain(place(2, 5), "x"));
    let quoted = second.child("b").unwrap();
    assert!(quoted.origin == place(3, 9) && !quoted.is_null());
    assert!(second.child("c").unwrap().is_null());
    assert!(root.child("d").unwrap().is_null());
    assert!(root.child("e").is_none());
}

#[test]
fn mistakes_do_not_end_the_reading() {
    let (root, faults) = read("a: 1\na: 2\nb: &x [1]\nc: *x\n[k]: v\nd: !t 3\n");
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(*root.child("a").unwrap() == Node::plain(place(1, 4), "1"));
    assert!(matches!(root.child("c").unwrap().value, Value::Refused));
    assert!(root.child("d").is_some());
}

#[test]
fn what_is_no_yaml_is_one_mistake() {
    let (root, faults) = read("a: [1\nb: 2\n");
    assert!(matches!(root.value, Value::Refused));
    assert_eq!(faults.len(), 1);
    let (root, faults) = read("");
    assert!(root.is_null() && faults.is_empty());
}
