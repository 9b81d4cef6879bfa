//! Chains of clusters: where a file or directory lies.

use std::ops::Range;

use super::{Fat, FatError};
use crate::ReadAt as _;
use crate::fat::{MAX_DIRECTORY, Width};
use crate::fields::u8_at;

/// Bytes of the table that are read at once.
const PAGE: u64 = 4096;

impl Fat {
    /// Where the first `size` bytes of a chain lie in the volume, in runs.
    ///
    /// # Errors
    /// [`FatError::Chain`] when the chain ends early, comes back to itself or leaves the volume.
    pub fn extents(&self, name: &str, first: u32, size: u64) -> Result<Vec<Range<u64>>, FatError> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        let (mut left, mut cluster) = (size, first);
        let mut table = Table { fat: self, page: None };
        let mut entry_at = 0;
        // Brent's way to find a cycle: a cluster of every power of two is remembered.
        let mut remembered = None;
        for step in 0u64.. {
            if left == 0 {
                return Ok(runs);
            }
            let number = u64::from(cluster);
            let problem = if cluster >= self.width.end() || number == 0 {
                format!("end {left} bytes too early")
            } else if number < 2 || number >= self.clusters + 2 {
                format!("lead to cluster {cluster}, which is not there")
            } else if remembered == Some(cluster) {
                "come back to themselves".to_owned()
            } else {
                String::new()
            };
            if !problem.is_empty() {
                return Err(FatError::Chain { name: name.to_owned(), problem, offset: entry_at });
            }
            if step.is_power_of_two() {
                remembered = Some(cluster);
            }
            let start = self.data + (number - 2) * self.cluster_size;
            let end = start + left.min(self.cluster_size);
            match runs.last_mut() {
                Some(run) if run.end == start => run.end = end,
                _ => runs.push(start..end),
            }
            left -= end - start;
            (entry_at, cluster) = if left > 0 { table.next(cluster)? } else { (entry_at, cluster) };
        }
        Ok(runs)
    }

    /// A directory has no size: it ends where its chain ends.
    pub(super) fn directory_runs(&self, name: &str, first: u32) -> Result<Vec<Range<u64>>, FatError> {
        let mut table = Table { fat: self, page: None };
        let (mut clusters, mut cluster) = (1, first);
        loop {
            if clusters * self.cluster_size > MAX_DIRECTORY.max(self.cluster_size) {
                return Err(FatError::Directory(name.to_owned()));
            }
            // What is no cluster is told by `extents`.
            if u64::from(cluster) < 2 || u64::from(cluster) >= self.clusters + 2 {
                break;
            }
            cluster = table.next(cluster)?.1;
            if cluster >= self.width.end() {
                break;
            }
            clusters += 1;
        }
        self.extents(name, first, clusters * self.cluster_size)
    }
}

/// The table of clusters, with the page of it that was read last.
struct Table<'a> {
    fat: &'a Fat,
    page: Option<(u64, Vec<u8>)>,
}

impl Table<'_> {
    /// Where the entry of `cluster` lies, and the cluster behind it.
    fn next(&mut self, cluster: u32) -> Result<(u64, u32), FatError> {
        let number = u64::from(cluster);
        let at = self.fat.table.start + self.fat.width.entry_at(number);
        let value = match self.fat.width {
            Width::Fat12 => {
                let both = u32::from(self.byte(at)?) | u32::from(self.byte(at + 1)?) << 8;
                if cluster.is_multiple_of(2) { both & 0xfff } else { both >> 4 }
            }
            Width::Fat16 => u32::from(self.byte(at)?) | u32::from(self.byte(at + 1)?) << 8,
            Width::Fat32 => {
                let mut value = 0;
                for index in 0..4 {
                    value |= u32::from(self.byte(at + index)?) << (8 * index);
                }
                value & 0x0fff_ffff
            }
        };
        Ok((at, value))
    }

    fn byte(&mut self, at: u64) -> Result<u8, FatError> {
        let start = at - at % PAGE;
        if self.page.as_ref().is_none_or(|(page, _)| *page != start) {
            let end = (start + PAGE).min(self.fat.table.end.next_multiple_of(512));
            let mut bytes = vec![0; end.saturating_sub(start) as usize];
            let read = self.fat.volume.read_exact_at(start, &mut bytes);
            read.map_err(|source| FatError::Read { offset: start, source })?;
            self.page = Some((start, bytes));
        }
        let bytes = self.page.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        Ok(u8_at(bytes, (at - start) as usize).unwrap_or(0))
    }
}
