internal import CMemoryMap
internal import Glibc

/// Long work on a range, cut into pieces that the machine's cores share.
///
/// The cuts depend on the range alone, never on the number of threads, and whoever combines the
/// results of pieces does so in their order: results do not depend on the number of threads either.
package struct Pieces: Sendable {
    /// Elements in all.
    package let count: Int
    /// Elements in every piece but the last.
    package let grain: Int

    /// - Parameters:
    ///   - count: Elements, 0 or more.
    ///   - grain: The smallest piece that is worth a thread's attention, in elements, at least 1.
    package init(_ count: Int, grain: Int) {
        self.count = count
        // At most 65,536 pieces, so that what is kept for each stays small for a terabyte too.
        self.grain = max(grain, (count >> 16) &+ 1)
    }

    package var number: Int { count == 0 ? 0 : (count &- 1) / grain &+ 1 }

    package func range(_ piece: Int) -> Range<Int> {
        let start = piece &* grain
        return start..<min(start &+ grain, count)
    }

    /// Runs `body` for the pieces on several threads, the caller's among them.
    ///
    /// - Parameters:
    ///   - poll: Asked on the caller's thread after each of its pieces, with the number of elements
    ///     done so far; false stops the work.
    ///   - body: Called with a piece's number and range, on any thread, for any number of pieces at
    ///     once. Returns false where the pieces after this one are not needed; those before it
    ///     are still done.
    /// - Throws: `interrupted` when `poll` returned false.
    package func forEach(
        poll: (_ done: Int) -> Bool, _ body: (_ piece: Int, _ range: Range<Int>) -> Bool
    ) throws(MapError) {
        let number = self.number
        if number == 0 { return }
        if number == 1 {
            _ = body(0, range(0))
            if !poll(count) { throw MapError(.interrupted) }
            return
        }
        let isComplete = withoutActuallyEscaping(body) { body in
            var job = Job(pieces: self, limit: number, body: body)
            return withUnsafeMutablePointer(to: &job) { Workers.run($0, poll) }
        }
        if !isComplete { throw MapError(.interrupted) }
    }

    /// The result of the first piece that has one. Pieces after one that has are not looked at.
    ///
    /// - Throws: `interrupted` when `poll` returned false.
    package func first(
        poll: (_ done: Int) -> Bool, _ body: (_ range: Range<Int>) -> Int?
    ) throws(MapError) -> Int? {
        let number = self.number
        try requireHeap(number &* MemoryLayout<Int?>.stride)
        let results = UnsafeMutablePointer<Int?>.allocate(capacity: max(number, 1))
        results.initialize(repeating: nil, count: number)
        defer { results.deallocate() }
        try forEach(poll: poll) { piece, range in
            results[piece] = body(range)
            return results[piece] == nil
        }
        for piece in 0..<number {
            if let result = results[piece] { return result }
        }
        return nil
    }

    /// Runs `body` for every piece and returns the results in the order of the pieces.
    ///
    /// - Throws: `interrupted` when `poll` returned false.
    package func map<Result>(
        poll: (_ done: Int) -> Bool, _ body: (_ range: Range<Int>) -> Result
    ) throws(MapError) -> [Result] {
        let number = self.number
        // For all of them once more, when they are made an array.
        try requireHeap(2 &* number &* MemoryLayout<Result?>.stride)
        let results = UnsafeMutablePointer<Result?>.allocate(capacity: max(number, 1))
        results.initialize(repeating: nil, count: number)
        defer {
            results.deinitialize(count: number)
            results.deallocate()
        }
        try forEach(poll: poll) { piece, range in
            results[piece] = body(range)
            return true
        }
        return (0..<number).compactMap { results[$0] }
    }
}

/// Work in progress. Everything but `body` is guarded by the workers' lock.
private struct Job {
    let pieces: Pieces
    /// Pieces from here on are not needed.
    var limit: Int
    let body: (Int, Range<Int>) -> Bool
    var next = 0
    var done = 0
    var isStopped = false
    /// Threads of the pool that may still look at this job.
    var helpers = 0
}

/// How many threads share long work; 1 keeps it on the caller's.
///
/// - Returns: At least 1; the number of processors this process may use unless it was set.
package var threadCount: Int {
    get { Workers.wanted }
    set { Workers.wanted = max(1, min(newValue, maximalThreadCount)) }
}

package let maximalThreadCount = 256

/// The threads that help, made when they are first needed and kept.
private enum Workers {
    nonisolated(unsafe) static var wanted = processorCount()
    nonisolated(unsafe) private static var started = 0
    nonisolated(unsafe) private static var current: UnsafeMutablePointer<Job>?
    /// How many more helpers the current job may have.
    nonisolated(unsafe) private static var seats = 0
    nonisolated(unsafe) private static let lock = makeLock()
    nonisolated(unsafe) private static let work = makeCondition()
    nonisolated(unsafe) private static let finished = makeCondition()

    private static func makeLock() -> UnsafeMutablePointer<pthread_mutex_t> {
        let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        pthread_mutex_init(lock, nil)
        // A child process has none of the threads: it starts its own.
        pthread_atfork(nil, nil) { Workers.forget() }
        return lock
    }

    private static func makeCondition() -> UnsafeMutablePointer<pthread_cond_t> {
        let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        pthread_cond_init(condition, nil)
        return condition
    }

    private static func forget() {
        pthread_mutex_init(lock, nil)
        pthread_cond_init(work, nil)
        pthread_cond_init(finished, nil)
        (started, current, seats) = (0, nil, 0)
    }

    private static func processorCount() -> Int {
        max(1, min(Int(mm_processor_count()), maximalThreadCount))
    }

    /// Returns false when `poll` stopped the work.
    static func run(_ job: UnsafeMutablePointer<Job>, _ poll: (Int) -> Bool) -> Bool {
        pthread_mutex_lock(lock)
        // One job has the helpers; another thread's job at the same time does without.
        let isLeader = current == nil && wanted > 1
        if isLeader {
            start(min(wanted, job.pointee.limit) &- 1)
            current = job
            seats = min(wanted, job.pointee.limit) &- 1
            pthread_cond_broadcast(work)
        }
        var isPolled = true
        while takePiece(job) {
            let done = job.pointee.done
            pthread_mutex_unlock(lock)
            isPolled = poll(done)
            pthread_mutex_lock(lock)
            if !isPolled { job.pointee.isStopped = true }
        }
        if isLeader { (current, seats) = (nil, 0) }
        while job.pointee.helpers > 0 { pthread_cond_wait(finished, lock) }
        pthread_mutex_unlock(lock)
        return isPolled
    }

    /// Does the next piece, if there is one. Called with the lock held, which is given up meanwhile.
    private static func takePiece(_ job: UnsafeMutablePointer<Job>) -> Bool {
        let piece = job.pointee.next
        if job.pointee.isStopped || piece >= job.pointee.limit { return false }
        job.pointee.next = piece &+ 1
        let range = job.pointee.pieces.range(piece)
        pthread_mutex_unlock(lock)
        let goesOn = job.pointee.body(piece, range)
        pthread_mutex_lock(lock)
        job.pointee.done &+= range.count
        if !goesOn { job.pointee.limit = min(job.pointee.limit, piece &+ 1) }
        return true
    }

    /// Starts threads up to a number. A thread that cannot be made is done without.
    private static func start(_ number: Int) {
        while started < number {
            guard let thread = startThread({ _ in Workers.serve() }, nil) else { return }
            pthread_detach(thread)
            started &+= 1
        }
    }

    private static func serve() -> UnsafeMutableRawPointer? {
        pthread_mutex_lock(lock)
        while true {
            while seats == 0 { pthread_cond_wait(work, lock) }
            guard let job = current else { continue }
            seats &-= 1
            job.pointee.helpers &+= 1
            while takePiece(job) {}
            job.pointee.helpers &-= 1
            if job.pointee.helpers == 0 { pthread_cond_signal(finished) }
        }
    }
}

/// A lock for what the threads of one job have in common.
func withLock<Answer>(
    _ body: (UnsafeMutablePointer<pthread_mutex_t>) throws(MapError) -> Answer
) throws(MapError) -> Answer {
    var lock = pthread_mutex_t()
    pthread_mutex_init(&lock, nil)
    defer { pthread_mutex_destroy(&lock) }
    return try withUnsafeMutablePointer(to: &lock) { (lock) throws(MapError) in try body(lock) }
}
