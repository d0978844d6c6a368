//! Stopping as a value: whoever may block is handed a [`StopFlag`] and blocks on it.
//!
//! Every wait in the crate selects on a flag; there is no bare `sleep` and no global flag.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;
use socket2::Socket;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A one-way request to stop, seen by every clone.
///
/// Three kinds of waiting see it: polling ([`StopFlag::is_set`]), sleeping and `select!` (nothing is sent on the
/// channel: setting the flag drops its only sender, which disconnects it), and blocking socket calls, because
/// registered sockets are shut down.
#[derive(Clone)]
pub struct StopFlag {
    shared: Arc<Shared>,
    signal: Receiver<Infallible>,
}

/// The flag was set while something waited. After this, no result of the wait is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped")]
pub struct Stopped;

/// Keeps a socket registered; dropping it forgets the socket.
pub struct Registration {
    shared: Arc<Shared>,
    key: u64,
}

struct Shared {
    set: AtomicBool,
    wake: Mutex<Wake>,
}

struct Wake {
    /// `None` once the flag is set.
    sender: Option<Sender<Infallible>>,
    sockets: HashMap<u64, Socket>,
    next_key: u64,
}

impl Default for StopFlag {
    fn default() -> StopFlag {
        StopFlag::new()
    }
}

impl StopFlag {
    pub fn new() -> StopFlag {
        let (sender, signal) = bounded(0);
        let wake = Wake { sender: Some(sender), sockets: HashMap::new(), next_key: 0 };
        StopFlag { shared: Arc::new(Shared { set: AtomicBool::new(false), wake: Mutex::new(wake) }), signal }
    }

    /// Sets the flag, wakes every sleeper and shuts every registered socket down. Setting it twice is setting it once.
    pub fn set(&self) {
        self.shared.set.store(true, Ordering::SeqCst);
        let sockets = {
            let mut wake = self.shared.wake.lock();
            wake.sender = None;
            std::mem::take(&mut wake.sockets)
        };
        for socket in sockets.values() {
            // It may be closed already; then nobody waits on it.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    pub fn is_set(&self) -> bool {
        self.shared.set.load(Ordering::SeqCst)
    }

    /// `Err` if the flag is set: for asking it between two steps, or before a result is believed.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.is_set() { Err(Stopped) } else { Ok(()) }
    }

    /// Disconnected once the flag is set; for `select!`. Never carries a message.
    pub fn signal(&self) -> &Receiver<Infallible> {
        &self.signal
    }

    /// Sleeps for `duration`, or returns `Err` as soon as the flag is set.
    pub fn sleep(&self, duration: Duration) -> Result<(), Stopped> {
        match self.signal.recv_timeout(duration) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
            Ok(never) => match never {},
        }
    }

    /// Has `socket` shut down when the flag is set. Give it a clone (`Socket::try_clone`) before connecting:
    /// a shutdown also ends a pending connect.
    ///
    /// The flag is set before the lock is taken there and asked under the lock here, so a socket is either seen
    /// by [`StopFlag::set`] or refused.
    pub fn register(&self, socket: Socket) -> Result<Registration, Stopped> {
        let mut wake = self.shared.wake.lock();
        if self.is_set() {
            return Err(Stopped);
        }
        let key = wake.next_key;
        wake.next_key += 1;
        wake.sockets.insert(key, socket);
        Ok(Registration { shared: Arc::clone(&self.shared), key })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Taken out under the lock, closed after it.
        let socket = self.shared.wake.lock().sockets.remove(&self.key);
        drop(socket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    #[test]
    fn a_sleeper_and_a_reader_wake_when_the_flag_is_set() -> std::io::Result<()> {
        let stop = StopFlag::new();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut silent = TcpStream::connect(listener.local_addr()?)?;
        let registration = stop.register(Socket::from(silent.try_clone()?)).map_err(std::io::Error::other)?;

        let sleeper = thread::spawn({
            let stop = stop.clone();
            move || stop.sleep(Duration::from_hours(1))
        });
        let reader = thread::spawn(move || silent.read(&mut [0; 1]));
        stop.set();

        assert_eq!(sleeper.join().ok(), Some(Err(Stopped)));
        assert_eq!(reader.join().ok().and_then(Result::ok), Some(0));
        drop(registration);
        assert!(stop.register(Socket::from(TcpStream::connect(listener.local_addr()?)?)).is_err());
        Ok(())
    }

    #[test]
    fn a_flag_that_is_not_set_lets_time_pass() {
        let stop = StopFlag::new();
        assert_eq!(stop.sleep(Duration::from_millis(1)), Ok(()));
        assert_eq!(stop.check(), Ok(()));
    }
}
