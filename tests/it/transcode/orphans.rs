//! No FFmpeg outlives weir, and none dies because a thread of it does.

use std::io::BufRead;
use std::io::BufReader;
use std::process::Command;
use std::process::Stdio;

use tokio::sync::mpsc;
use weir::transcode::End;
use weir::transcode::Output;

use super::COPY;
use super::Stage;
use super::WEIR;
use super::exists;
use crate::support::eventually::eventually;
use crate::support::eventually::within;
use crate::support::ts::TsPattern;

#[tokio::test]
async fn a_child_ends_with_its_parent_even_when_that_is_killed() {
    // A shell in place of weir: it starts the helper as its child, and is killed without a word.
    let text = "\"$0\" exec-child $$ 1000000 1000000000 sleep 1000 & echo $!; wait";
    let mut parent = Command::new("sh")
        .args(["-c", text, WEIR])
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pid: u32 = line.trim().parse().unwrap();
    let name = || std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    eventually("the helper has become the program", || (name() == "sleep\n").then_some(())).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    // A zombie of it is whoever's took it over; it runs no more.
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    eventually("the child is gone", || {
        let state = state();
        (state.is_empty() || state.contains(") Z ")).then_some(())
    })
    .await;
}

#[test]
fn a_child_of_somebody_else_is_not_made() {
    for (arguments, why) in [
        ("1 1000 1000 true", "the parent is gone"),
        ("true", "no command for people"),
        ("", "no command for people"),
    ] {
        let output = Command::new(WEIR)
            .arg("exec-child")
            .args(arguments.split_whitespace())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(127) && said.contains(why), "{arguments}: {said}");
    }
    let help = Command::new(WEIR).arg("--help").output().unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains("exec-child"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_outlives_the_thread_that_asked_for_it() {
    let stage = Stage::scripted("exec cat", |_| {});
    let transcode = stage.begin(COPY);
    let monitor = transcode.monitor();
    let (input, feed) = mpsc::channel(4);
    let (taken, mut output) = mpsc::channel(4);
    let runtime = tokio::runtime::Handle::current();
    let mut run = Box::pin(transcode.run(feed, taken));
    // Another thread turns it until there is a process, and ends.
    let first = std::thread::spawn(move || {
        let begun = runtime.block_on(async {
            tokio::select! {
                end = &mut run => panic!("{end}"),
                begun = within("a process", output.recv()) => begun,
            }
        });
        (run, output, begun)
    });
    let (run, mut output, begun) = first.join().unwrap();
    assert_eq!(begun, Some(Output::Begins));
    let pid = monitor.status().pid;
    let run = tokio::spawn(run);
    let bytes = bytes::Bytes::from(TsPattern::new(1).packets(0, 100));
    input.send(bytes.clone()).await.unwrap();
    assert_eq!(within("bytes", output.recv()).await, Some(Output::Bytes(bytes)));
    assert!(monitor.status().pid.is_some() && pid.is_none_or(exists));
    assert_eq!(monitor.status().starts, 1, "the same process");
    drop(input);
    while output.recv().await.is_some() {}
    assert_eq!(run.await.unwrap(), End::Input);
}
