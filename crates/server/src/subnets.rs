//! Arithmetic of the address pool that sessions' networks are cut from.

use std::net::Ipv4Addr;

/// A network cut into equal subnets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    base: u32,
    count: u32,
    prefix: u8,
}

impl Pool {
    /// `None` when `cidr` is no IPv4 network, or not larger than one subnet of length `prefix` (at most 29).
    pub fn parse(cidr: &str, prefix: u8) -> Option<Self> {
        let (address, length) = cidr.split_once('/')?;
        let (address, length): (Ipv4Addr, u8) = (address.parse().ok()?, length.parse().ok()?);
        if !(8..prefix).contains(&length) || prefix > 29 {
            return None;
        }
        let base = u32::from(address);
        let aligned = base & (u32::MAX << (32 - length)) == base;
        aligned.then_some(Self { base, count: 1 << (prefix - length), prefix })
    }

    pub fn len(self) -> u32 {
        self.count
    }

    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The subnet of that index as a CIDR.
    pub fn subnet(self, index: u32) -> Option<String> {
        (index < self.count)
            .then(|| format!("{}/{}", Ipv4Addr::from(self.base + (index << (32 - self.prefix))), self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_cut_in_order() {
        let pool = Pool::parse("10.213.0.0/16", 28).unwrap();
        assert_eq!(pool.len(), 4096);
        assert_eq!(pool.subnet(0).as_deref(), Some("10.213.0.0/28"));
        assert_eq!(pool.subnet(17).as_deref(), Some("10.213.1.16/28"));
        assert_eq!(pool.subnet(4096), None);
        for wrong in ["10.213.0.0/28", "10.213.0.1/16", "fd00::/8", "10.213.0.0", "x/16"] {
            assert_eq!(Pool::parse(wrong, 28), None, "{wrong}");
        }
    }
}
