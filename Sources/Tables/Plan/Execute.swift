internal import Glibc
internal import MemoryMap

extension RowStream {
    /// Reads all pieces, on several threads if the stream allows it.
    ///
    /// - Parameters:
    ///   - isAll: Whether all rows are wanted. If not, functions of the script are called for no more than are read.
    ///   - work: Reads the rows of a piece; on any thread, for several pieces at once.
    ///   - deposit: Gets the results in the order of the pieces, one at a time, on any thread. Returns false if no more are
    ///     needed.
    /// - Throws: The error of the first piece that has one.
    func forEachPiece<Local>(
        _ run: Run, isAll: Bool = true, _ work: (Cursor) throws(TableError) -> Local,
        deposit: (Local) throws(TableError) -> Bool
    ) throws(TableError) {
        run.begin(total)
        try run.withMachineCode { (leave) throws(TableError) in
            try readPieces(run, leave, isAll: isAll, work, deposit: deposit)
        }
    }

    /// - Parameter leave: Ends what other threads do, where it may never end.
    private func readPieces<Local>(
        _ run: Run, _ leave: (() -> Void)?, isAll: Bool, _ work: (Cursor) throws(TableError) -> Local,
        deposit: (Local) throws(TableError) -> Bool
    ) throws(TableError) {
        let isPrepared = !isParallel && canPrepare && isAll
        if !isParallel && !isPrepared || threadCount == 1 {
            while let piece = try next() {
                if try !deposit(work(piece.cursor)) { return }
                try run.poll(piece.done)
            }
            return
        }
        let job = Job<Local>()
        do throws(MapError) {
            try withoutActuallyEscaping(work) { (work) throws(MapError) in
                try withoutActuallyEscaping(deposit) { (deposit) throws(MapError) in
                    try ParallelRanges(threadCount, grain: 1).forEach(
                        shouldContinue: { _ in leave == nil || run.shouldGoOn }, leave: leave
                    ) { _, _ in
                        if isPrepared {
                            job.drainPrepared(self, run, work, deposit)
                        } else {
                            job.drain(self, run, work, deposit)
                        }
                        return true
                    }
                }
            }
        } catch { throw TableError(error) }
        if let error = job.error { throw error }
        // The other threads may have done all of it.
        try run.poll()
    }
}

/// The state that the threads of one `forEachPiece` share; the lock guards it.
private final class Job<Local> {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// There is a piece that is prepared, or there will be none.
    private let arrival = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Pieces that are prepared and not claimed.
    private var pieces: [Int: Piece] = [:]
    private var arrived = 0
    private var isComplete = false
    private var claimed = 0
    private var deposited = 0
    private var waiting: [Int: (local: Local, done: Int)] = [:]
    private var isDepositing = false
    private var isOver = false
    /// The number of the first piece with an error.
    private var failed = Int.max
    private(set) var error: TableError?

    init() {
        pthread_mutex_init(lock, nil)
        pthread_cond_init(arrival, nil)
    }

    deinit {
        pthread_cond_destroy(arrival)
        arrival.deallocate()
        pthread_mutex_destroy(lock)
        lock.deallocate()
    }

    /// Results that wait for those before them, at most: they take memory.
    private var most: Int { 2 &* threadCount &+ 4 }

    /// Reads pieces until there are no more.
    func drain(
        _ stream: RowStream, _ run: Run, _ work: (Cursor) throws(TableError) -> Local,
        _ deposit: (Local) throws(TableError) -> Bool
    ) {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while !isOver {
            let number = claimed
            do throws(TableError) {
                if claimed &- deposited >= most {
                    try pause(run)
                    continue
                }
                guard let piece = try stream.next() else {
                    isOver = true
                    return
                }
                claimed &+= 1
                try read(piece, number, run, work, deposit)
            } catch { fail(number, error) }
        }
    }

    /// Reads pieces until there are no more. The caller's thread prepares them, ahead of the others.
    func drainPrepared(
        _ stream: RowStream, _ run: Run, _ work: (Cursor) throws(TableError) -> Local,
        _ deposit: (Local) throws(TableError) -> Bool
    ) {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        let isOnCaller = run.isOnCaller
        while !isOver {
            var number = arrived
            do throws(TableError) {
                if isOnCaller && !isComplete && arrived &- deposited < most {
                    try prepare(stream)
                    continue
                }
                number = claimed
                if let piece = pieces.removeValue(forKey: number) {
                    claimed &+= 1
                    try read(piece, number, run, work, deposit)
                } else if isComplete {
                    return
                } else if isOnCaller {
                    try pause(run)
                } else {
                    pthread_cond_wait(arrival, lock)
                }
            } catch { fail(number, error) }
        }
    }

    /// On the caller's thread; the others read meanwhile.
    private func prepare(_ stream: RowStream) throws(TableError) {
        pthread_mutex_unlock(lock)
        let piece: Piece?
        do throws(TableError) { piece = try stream.prepared() } catch {
            pthread_mutex_lock(lock)
            throw error
        }
        pthread_mutex_lock(lock)
        if let piece {
            pieces[arrived] = piece
            arrived &+= 1
            pthread_cond_signal(arrival)
        } else {
            isComplete = true
            pthread_cond_broadcast(arrival)
        }
    }

    /// Reads a piece; the lock is released meanwhile.
    private func read(
        _ piece: Piece, _ number: Int, _ run: Run, _ work: (Cursor) throws(TableError) -> Local,
        _ deposit: (Local) throws(TableError) -> Bool
    ) throws(TableError) {
        pthread_mutex_unlock(lock)
        let local: Local
        do throws(TableError) { local = try work(piece.cursor) } catch {
            pthread_mutex_lock(lock)
            throw error
        }
        pthread_mutex_lock(lock)
        waiting[number] = (local, piece.done)
        try depositAll(run, deposit)
    }

    /// Lets the thread catch up that has the piece which is next in order: the results of those after it take memory.
    private func pause(_ run: Run) throws(TableError) {
        pthread_mutex_unlock(lock)
        defer { pthread_mutex_lock(lock) }
        usleep(500)
        try run.poll()
    }

    /// Gives away what is next in order. One thread at a time does so; the others read on meanwhile.
    private func depositAll(_ run: Run, _ deposit: (Local) throws(TableError) -> Bool) throws(TableError) {
        if isDepositing { return }
        isDepositing = true
        defer { isDepositing = false }
        while deposited < failed, let (local, done) = waiting.removeValue(forKey: deposited) {
            pthread_mutex_unlock(lock)
            var isEnough = false
            var failure: TableError?
            do throws(TableError) {
                isEnough = try !deposit(local)
                try run.poll(done)
            } catch { failure = error }
            pthread_mutex_lock(lock)
            if let failure {
                fail(deposited, failure)
                return
            }
            deposited &+= 1
            if isEnough {
                // Errors in later pieces do not matter.
                end()
                failed = min(failed, deposited)
                if failed == deposited { error = nil }
                waiting = [:]
                return
            }
        }
    }

    private func end() {
        isOver = true
        pthread_cond_broadcast(arrival)
    }

    private func fail(_ number: Int, _ failure: TableError) {
        end()
        if number < failed { (failed, error) = (number, failure) }
    }
}
