//! An address block, parsed once so that no text of a caller ever reaches a firewall script.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network in CIDR notation; host bits are cleared on parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// `None` when `prefix` is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                IpAddr::from((u32::from(v4) & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)).to_be_bytes())
            }
            IpAddr::V6(v6) if prefix <= 128 => IpAddr::from(
                (u128::from(v6) & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)).to_be_bytes(),
            ),
            _ => return None,
        };
        Some(Self { address, prefix })
    }

    /// The lowest address of the block.
    pub const fn network(&self) -> IpAddr {
        self.address
    }

    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        Self::new(address, self.prefix).is_some_and(|block| block == *self)
            && address.is_ipv4() == self.address.is_ipv4()
    }

    /// The first usable address, where bridges put their gateway. `None` when the block has no room for one.
    pub fn first_host(&self) -> Option<IpAddr> {
        match self.address {
            IpAddr::V4(v4) if self.prefix <= 30 => Some(IpAddr::from((u32::from(v4) + 1).to_be_bytes())),
            IpAddr::V6(v6) if self.prefix <= 126 => Some(IpAddr::from((u128::from(v6) + 1).to_be_bytes())),
            _ => None,
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = String;

    /// Takes `10.1.2.0/24` and a bare address, which means that one host.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a network such as 10.1.2.0/24");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        Self::new(address, prefix.unwrap_or(if address.is_ipv4() { 32 } else { 128 })).ok_or_else(wrong)
    }
}

impl serde::Serialize for Cidr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Cidr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_clears_and_refuses() {
        assert_eq!("10.1.2.3/24".parse::<Cidr>().unwrap().to_string(), "10.1.2.0/24");
        assert_eq!("169.254.169.254".parse::<Cidr>().unwrap().to_string(), "169.254.169.254/32");
        assert_eq!("0.0.0.0/0".parse::<Cidr>().unwrap().to_string(), "0.0.0.0/0");
        assert_eq!("fd00::1/64".parse::<Cidr>().unwrap().to_string(), "fd00::/64");
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/8; flush ruleset", "::/129"] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn contains_and_first_host() {
        let block: Cidr = "10.1.2.0/24".parse().unwrap();
        assert!(block.contains("10.1.2.255".parse().unwrap()));
        assert!(!block.contains("10.1.3.0".parse().unwrap()));
        assert!(!"0.0.0.0/0".parse::<Cidr>().unwrap().contains("::1".parse().unwrap()));
        assert_eq!(block.first_host().unwrap().to_string(), "10.1.2.1");
        assert_eq!("10.1.2.3/32".parse::<Cidr>().unwrap().first_host(), None);
    }
}
