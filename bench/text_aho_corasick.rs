// Driver: Debian's Rust aho-corasick, all overlapping matches. As text_driver.h says; one thread.
use aho_corasick::{AhoCorasickBuilder, MatchKind};
use std::fs;

#[repr(C)]
struct Timespec {
    sec: i64,
    nsec: i64,
}

extern "C" {
    fn clock_gettime(id: i32, t: *mut Timespec) -> i32;
}

// CLOCK_THREAD_CPUTIME_ID
fn cpu() -> f64 {
    let mut t = Timespec { sec: 0, nsec: 0 };
    unsafe { clock_gettime(3, &mut t) };
    t.sec as f64 + t.nsec as f64 * 1e-9
}

fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap_or("0 0");
    line.split_whitespace().nth(1).unwrap_or("0").parse::<f64>().unwrap_or(0.0) / 1024.0
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let words = fs::read(&args[1]).expect("keywords");
    let list: Vec<&[u8]> = words.split(|&b| b == b'\n').filter(|w| !w.is_empty()).collect();
    let (before, start) = (peak(), cpu());
    // The full automaton where it fits, as their documentation advises.
    let set = AhoCorasickBuilder::new()
        .match_kind(MatchKind::Standard)
        .dfa(list.len() <= 10100)
        .build(&list);
    let (build, grown) = (cpu() - start, peak() - before);
    let text = fs::read(&args[2]).expect("text");
    let runs: usize = args[3].parse().expect("runs");
    let (mut matches, mut ends) = (0u64, 0u64);
    let mut times = Vec::new();
    for _ in 0..runs {
        matches = 0;
        ends = 0;
        let start = cpu();
        for m in set.find_overlapping_iter(&text) {
            matches += 1;
            ends += m.end() as u64;
        }
        times.push(format!("{:.6}", cpu() - start));
    }
    println!(
        "{{\"version\":\"0.7\",\"build_s\":{:.4},\"size_mib\":{:.2},\"peak_mib\":{:.1},\"matches\":{},\"ends\":{},\"cpu\":[{}]}}",
        build, set.heap_bytes() as f64 / 1048576.0, grown, matches, ends, times.join(",")
    );
}
