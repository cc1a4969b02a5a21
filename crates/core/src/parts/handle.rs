//! Macros for what the handles and the guards of all pools have in common.

/// Makes a type the handle of a pool: implements `Pool` by its own methods, `Clone` and `Drop` by a
/// count of handles, and `Debug` by its state. For writers of pools.
///
/// `$pool` has a field `core`, an `Arc` of a type that implements
/// [`AfterFork`](crate::parts::fork::AfterFork) and has a field `handles`, an `AtomicUsize` that begins at 1.
/// (Guards hold the `Arc` too, so the `Arc`'s count does not say whether a handle is left.) `$guard`
/// is the pool's guard.
#[macro_export]
macro_rules! pool_handle {
    ($pool:ident, $guard:ident) => {
        impl<M: $crate::ManageConnection> $crate::Pool for $pool<M> {
            type Manager = M;
            type Connection<'p> = $guard<'p, M>;

            #[inline(always)] // the pool's own `get` says whether it is inlined
            fn get(&self) -> $crate::GetResult<'_, Self> {
                self.get()
            }

            #[inline]
            fn try_get(&self) -> $crate::GetResult<'_, Self> {
                self.try_get()
            }

            #[inline]
            fn get_timeout(&self, timeout: ::std::time::Duration) -> $crate::GetResult<'_, Self> {
                self.get_timeout(timeout)
            }

            fn manager(&self) -> &M {
                self.manager()
            }

            fn state(&self) -> $crate::State {
                self.state()
            }

            fn close(&self) {
                self.close();
            }
        }

        impl<M: $crate::ManageConnection> Clone for $pool<M> {
            fn clone(&self) -> Self {
                // Relaxed: this handle exists, so the count is not zero.
                self.core.handles.fetch_add(1, ::std::sync::atomic::Ordering::Relaxed);
                Self { core: ::std::sync::Arc::clone(&self.core) }
            }
        }

        impl<M: $crate::ManageConnection> Drop for $pool<M> {
            fn drop(&mut self) {
                // AcqRel: pairs with the same operation of the other handles, so that the last one
                // sees what was done through them.
                let before = self.core.handles.fetch_sub(1, ::std::sync::atomic::Ordering::AcqRel);
                if before == 1 {
                    $crate::parts::fork::AfterFork::last_handle_dropped(&*self.core);
                }
            }
        }

        impl<M: $crate::ManageConnection> ::std::fmt::Debug for $pool<M> {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, concat!(stringify!($pool), "({})"), self.state())
            }
        }
    };
}

/// Makes a type a guard: implements [`Guard`](crate::Guard) by its own `discard`, `detach`, `steady`
/// and `outcome`, and `Debug` by the connection. For writers of pools:
/// `pool_guard!(['p, M: ManageConnection] Name<'p, M>)`.
#[macro_export]
macro_rules! pool_guard {
    ([$($generics:tt)*] $guard:ty) => {
        impl<$($generics)*> $crate::Guard for $guard {
            type Error = M::Error;

            fn discard(self) {
                self.discard();
            }

            fn detach(self) -> M::Connection {
                self.detach()
            }

            fn steady<T>(
                &mut self,
                work: impl FnMut(&mut M::Connection) -> ::std::result::Result<T, M::Error>,
            ) -> ::std::result::Result<T, M::Error> {
                self.steady(work)
            }

            fn outcome(&mut self, error: &M::Error) -> $crate::Outcome {
                self.outcome(error)
            }
        }

        impl<$($generics)*> ::std::fmt::Debug for $guard
        where
            M::Connection: ::std::fmt::Debug,
        {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}
