internal import CMemoryMap
internal import Glibc

/// Redraws a picture on the terminal, twenty times a second, from a thread of its own: also while long
/// work keeps the one that runs the program.
///
/// It lives in memory of the caller and ends with `stop`.
package struct Watch {
    private let picture: Picture
    private let title: UnsafePointer<CChar>
    private let target: UnsafeMutableBufferPointer<UInt8>
    private var lines = 0
    private var isOver = false
    private var thread = pthread_t()
    private var lock = pthread_mutex_t()
    private var wake = pthread_cond_t()

    package init(
        _ picture: Picture, title: UnsafePointer<CChar>, into target: UnsafeMutableBufferPointer<UInt8>
    ) {
        (self.picture, self.title, self.target) = (picture, title, target)
    }

    /// Draws once, and then again and again.
    ///
    /// - Parameter watch: Stays where it is until `stop`. All it refers to stays valid as long.
    /// - Parameter poll: Asked while it draws the first time; false stops.
    /// - Throws: What the first drawing throws; `misuse` where there can be no further thread.
    package static func start(_ watch: UnsafeMutablePointer<Watch>, poll: Poll) throws(MapError) {
        try watch.pointee.draw(poll)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_mutex_init(&watch.pointee.lock, nil)
        pthread_cond_init(&watch.pointee.wake, &attributes)
        guard let thread = startThread(Watch.body, watch) else {
            throw MapError(.misuse, "no further thread can be had (\"ulimit -u\", \"ulimit -v\")")
        }
        watch.pointee.thread = thread
    }

    private static let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { raw in
        guard let watch = raw?.assumingMemoryBound(to: Watch.self) else { return nil }
        pthread_mutex_lock(&watch.pointee.lock)
        while !watch.pointee.isOver {
            var until = timespec()
            clock_gettime(CLOCK_MONOTONIC, &until)
            until.tv_nsec &+= 50_000_000
            if until.tv_nsec >= 1_000_000_000 {
                until.tv_nsec &-= 1_000_000_000
                until.tv_sec &+= 1
            }
            if pthread_cond_timedwait(&watch.pointee.wake, &watch.pointee.lock, &until) == ETIMEDOUT {
                pthread_mutex_unlock(&watch.pointee.lock)
                // A mapping that is closed or resized meanwhile has no picture for a moment, or no more.
                try? watch.pointee.draw { _ in !Watch.isOver(watch) }
                pthread_mutex_lock(&watch.pointee.lock)
            }
        }
        pthread_mutex_unlock(&watch.pointee.lock)
        return nil
    }

    private static func isOver(_ watch: UnsafeMutablePointer<Watch>) -> Bool {
        pthread_mutex_lock(&watch.pointee.lock)
        defer { pthread_mutex_unlock(&watch.pointee.lock) }
        return watch.pointee.isOver
    }

    /// Ends the redrawing, with a last picture of how things are, if that takes no more than a second.
    package static func stop(_ watch: UnsafeMutablePointer<Watch>) {
        pthread_mutex_lock(&watch.pointee.lock)
        watch.pointee.isOver = true
        pthread_cond_signal(&watch.pointee.wake)
        pthread_mutex_unlock(&watch.pointee.lock)
        pthread_join(watch.pointee.thread, nil)
        let latest = mm_now() &+ 1_000_000_000
        try? watch.pointee.draw { _ in mm_now() < latest }
        pthread_cond_destroy(&watch.pointee.wake)
        pthread_mutex_destroy(&watch.pointee.lock)
    }

    /// Draws over the last picture.
    private mutating func draw(_ poll: Poll) throws(MapError) {
        let drawn = try picture.draw(title: title, into: target, ending: "\u{1B}[K\n", poll: poll)
        // A line that is too long is cut by the terminal: one that wrapped would be two, and the count wrong.
        let below: StaticString = "\u{1B}[J\u{1B}[?7h"
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { buffer in
            var up = FixedText(buffer)
            up.text("\u{1B}[?7l")
            if lines > 0 {
                up.text("\u{1B}[")
                up.decimal(lines)
                up.text("A\r")
            }
            // All at once, so that nobody sees half of it.
            var parts = (
                iovec(iov_base: buffer.baseAddress, iov_len: up.count),
                iovec(iov_base: target.baseAddress, iov_len: drawn.count),
                iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: below.utf8Start),
                    iov_len: below.utf8CodeUnitCount)
            )
            withUnsafeBytes(of: &parts) { raw in
                _ = writev(STDERR_FILENO, raw.bindMemory(to: iovec.self).baseAddress, 3)
            }
        }
        lines = drawn.lines
    }
}
