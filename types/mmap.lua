---@meta mmap
-- Made by scripts/manual from the texts in manual/.

---@alias mmap.advice
---| "cold"
---| "collapse"
---| "dodump"
---| "dofork"
---| "dontdump"
---| "dontfork"
---| "dontneed"
---| "dontneed_locked"
---| "free"
---| "guard_install"
---| "guard_remove"
---| "hugepage"
---| "hwpoison"
---| "keeponfork"
---| "mergeable"
---| "nohugepage"
---| "normal"
---| "pageout"
---| "populate_read"
---| "populate_write"
---| "random"
---| "remove"
---| "sequential"
---| "soft_offline"
---| "unmergeable"
---| "willneed"
---| "wipeonfork"

---@alias mmap.elementtype
---| "u8"
---| "i8"
---| "u16"
---| "u16le"
---| "u16be"
---| "i16"
---| "i16le"
---| "i16be"
---| "u32"
---| "u32le"
---| "u32be"
---| "i32"
---| "i32le"
---| "i32be"
---| "u64"
---| "u64le"
---| "u64be"
---| "i64"
---| "i64le"
---| "i64be"
---| "f32"
---| "f32le"
---| "f32be"
---| "f64"
---| "f64le"
---| "f64be"

---@class mmap.atomic
local atomic = {}

---@class mmap.buffer
---@operator len: integer
---@field [integer] integer
local buffer = {}

---@class mmap.child
local child = {}

---@class mmap.lock
local lock = {}

---@class mmap.pages
---@operator len: integer
---@field [integer] boolean
local pages = {}

---@class mmap.record
---@field [string] any
local record = {}

---@class mmap.records
---@operator len: integer
---@field [integer] mmap.record
local records = {}

---@class mmap.regex
local regex = {}

---@class mmap.struct
---@operator len: integer
local struct = {}

---@class mmap.view
---@operator len: integer
---@field [integer] number
local view = {}

---@class mmap
mmap = {}

-- Making buffers

---Maps a file, or a part of it. No descriptor stays open. A mapping never goes past the end of the file: a `length` that is longer is an error, or with `grow` makes the file longer, with its space allocated, so that a full disk is an error here and not a fault later. An empty file gives an empty buffer.
---@param path string the file
---@param mode? "r"|"r+"|"c"|"w+" `"r"` to read (the default); `"r+"` to read and write, shared: what is written is in the file; `"c"` for a private copy, made page by page at the first write; `"w+"` to create or empty the file, then as `"r+"`
---@param options? {offset?: integer, length?: integer, size?: integer, grow?: boolean, advice?: mmap.advice|integer, populate?: boolean, lock?: boolean} what else is wanted:
---@return mmap.buffer b the buffer
function mmap.open(path, mode, options) end

---Maps zeroed memory that belongs to no file. It is private, or shared with the processes that are started from here.
---@param size integer in bytes, at least 1
---@param options? {shared?: boolean, advice?: mmap.advice|integer, populate?: boolean, lock?: boolean} what else is wanted:
---@return mmap.buffer b the buffer
function mmap.anonymous(size, options) end

---mmap(2) itself, with the arguments of the Node package mmap-io. A size past the end of the file maps, as the system call does; touching pages behind the end is an error with the code `SIGBUS`. If the advice fails nothing stays mapped. From 1 GiB on `MAP_POPULATE` and `MAP_LOCKED` bring the pages in step by step: Ctrl-C and `--time` end that, and nothing stays mapped then.
---@param size integer in bytes, at least 1
---@param protection integer `mmap.PROT_READ`, `PROT_WRITE`, … joined by `|`
---@param flags integer `mmap.MAP_SHARED` or `MAP_PRIVATE`, and others joined by `|`
---@param fd file*|integer|nil an open file of `io.open`, which may be closed afterwards, or a descriptor; nil or -1 with `MAP_ANONYMOUS`
---@param offset? integer where in the file the mapping begins: a multiple of `mmap.PAGESIZE`
---@param advice? mmap.advice|integer as for `buffer:advise`
---@return mmap.buffer b the buffer
function mmap.map(size, protection, flags, fd, offset, advice) end

---How many threads long work runs on, such as counting, hashing and sums over views. Without an argument it only tells.
---@param n? integer from now on this many, from 1
---@return integer former what it was before
function mmap.threads(n) end

---Whether work that takes more than a moment shows a bar on the terminal. It is never shown where standard error is no terminal.
---@param on? boolean from now on
---@return boolean former what it was before
function mmap.progress(on) end

---The size of a page in bytes, as sysconf(3) tells it: what mappings begin and end at.
---@type integer
mmap.PAGESIZE = nil

---What may be done with the pages of a mapping, to be joined by `|`. `PROT_EXECUTE` is the same as `PROT_EXEC`.
---@type integer
mmap.PROT_EXEC = nil

---What may be done with the pages of a mapping, to be joined by `|`. `PROT_EXECUTE` is the same as `PROT_EXEC`.
---@type integer
mmap.PROT_EXECUTE = nil

---What may be done with the pages of a mapping, to be joined by `|`. `PROT_EXECUTE` is the same as `PROT_EXEC`.
---@type integer
mmap.PROT_NONE = nil

---What may be done with the pages of a mapping, to be joined by `|`. `PROT_EXECUTE` is the same as `PROT_EXEC`.
---@type integer
mmap.PROT_READ = nil

---What may be done with the pages of a mapping, to be joined by `|`. `PROT_EXECUTE` is the same as `PROT_EXEC`.
---@type integer
mmap.PROT_WRITE = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_32BIT = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_ANON = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_ANONYMOUS = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_FIXED = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_FIXED_NOREPLACE = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_GROWSDOWN = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_HUGETLB = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_HUGE_1GB = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_HUGE_2MB = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_LOCKED = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_NONBLOCK = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_NORESERVE = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_POPULATE = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_PRIVATE = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_SHARED = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_SHARED_VALIDATE = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_STACK = nil

---The flags of mmap(2), as the platform has them, for `mmap.map`.
---@type integer
mmap.MAP_SYNC = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_COLD = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_COLLAPSE = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_DODUMP = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_DOFORK = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_DONTDUMP = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_DONTFORK = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_DONTNEED = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_DONTNEED_LOCKED = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_FREE = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_GUARD_INSTALL = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_GUARD_REMOVE = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_HUGEPAGE = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_HWPOISON = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_KEEPONFORK = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_MERGEABLE = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_NOHUGEPAGE = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_NORMAL = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_PAGEOUT = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_POPULATE_READ = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_POPULATE_WRITE = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_RANDOM = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_REMOVE = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_SEQUENTIAL = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_SOFT_OFFLINE = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_UNMERGEABLE = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_WILLNEED = nil

---Every advice of madvise(2) that the running kernel knows, by number. `buffer:advise` takes the names too.
---@type integer
mmap.MADV_WIPEONFORK = nil

---The flags of msync(2), as numbers for programs that have them from elsewhere; `buffer:sync` takes booleans.
---@type integer
mmap.MS_ASYNC = nil

---The flags of msync(2), as numbers for programs that have them from elsewhere; `buffer:sync` takes booleans.
---@type integer
mmap.MS_INVALIDATE = nil

---The flags of msync(2), as numbers for programs that have them from elsewhere; `buffer:sync` takes booleans.
---@type integer
mmap.MS_SYNC = nil

---The library's name and version.
---@type string
mmap._VERSION = nil

-- Buffers

---Unmaps now: munmap(2). A second time does nothing. Afterwards every use of the buffer, its slices, views and records raises; closing a slice ends only the slice. What nothing refers to any more, the collector unmaps.
function buffer:close() end

---Unmaps now: munmap(2). A second time does nothing. Afterwards every use of the buffer, its slices, views and records raises; closing a slice ends only the slice. What nothing refers to any more, the collector unmaps.
function buffer:unmap() end

---A copy of the bytes as a string.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return string bytes the copy
function buffer:string(offset, length) end

---Writes a string or bytes of another buffer. Source and target may overlap.
---@param offset integer where to write, in bytes
---@param source string|mmap.buffer what to write
---@param from? integer where in the source to begin, in bytes
---@param length? integer in bytes; without it, to the source's end
---@return integer written in bytes
function buffer:copy(offset, source, from, length) end

---Fills a range with a byte, or with a string that repeats.
---@param value integer|string a byte, 0 to 255, or a string that is not empty
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
function buffer:fill(value, offset, length) end

---A buffer on the same memory, as writable as this one. It ends when the mapping is closed.
---@param offset integer where it begins, in bytes
---@param length? integer in bytes
---@return mmap.buffer slice the same bytes, from 0
function buffer:slice(offset, length) end

---The first, or the last, place of some bytes that are wholly within the range. They are bytes and no pattern.
---@param needle string|mmap.buffer what to look for
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return integer? offset in the buffer; nil where there is none
function buffer:find(needle, offset, length) end

---The first, or the last, place of some bytes that are wholly within the range. They are bytes and no pattern.
---@param needle string|mmap.buffer what to look for
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return integer? offset in the buffer; nil where there is none
function buffer:rfind(needle, offset, length) end

---How often some bytes occur, without overlapping.
---@param needle string|mmap.buffer what to look for
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return integer count how often
function buffer:count(needle, offset, length) end

---Which comes first, byte by byte, as memcmp(3) would say.
---@param other mmap.buffer|string what to compare with
---@return integer order -1, 0 or 1
function buffer:compare(other) end

---Whether the bytes are the same, and as many.
---@param other mmap.buffer|string what to compare with
---@return boolean equal whether they are
function buffer:equals(other) end

---The first offset where the bytes differ, or where the shorter one ends.
---@param other mmap.buffer|string what to compare with
---@return integer? offset nil where they are equal
function buffer:mismatch(other) end

---The bytes in the layout of `hexdump -C`; lines that repeat become one star.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return string dump with a newline at its end
function buffer:hexdump(offset, length) end

---What the buffer is. Only `closed`, `lost`, `length` and `path` are there when it is closed.
---@return {closed: boolean, lost: boolean, length: integer, path?: string, slice?: boolean, address?: integer, offset?: integer, protection?: integer, flags?: integer, pagesize?: integer} info its fields are:
function buffer:info() end

---Cuts the buffer into slices of about equal length that end where a separator does: one for each worker, say. Together they are all of the buffer, so some may be empty.
---@param n integer how many, at least 1
---@param separator? string 1 to 16 bytes; a newline
---@return mmap.buffer[] slices a list of n slices
function buffer:split(n, separator) end

---The CRC-32 of zlib, gzip and PNG, on all cores.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return integer checksum 0 to 2^32 - 1
function buffer:crc32(offset, length) end

---The 64-bit XXH3: fast, and not for cryptography.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return integer hash all 64 bits, so negative from 2^63 up
function buffer:xxh3(offset, length) end

---The SHA-256.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return string digest 64 hexadecimal digits
function buffer:sha256(offset, length) end

-- The kernel

---Tells the kernel how a range will be used: madvise(2). The range is rounded outward to whole pages, except for advice that takes data away (`dontneed` on private or anonymous memory, `free`, `remove`): there a range that is not whole pages is an error, as rounding would wipe the neighbours. `mmap.advices()` lists what this kernel knows. Advice that makes the kernel go through the pages is given step by step from 1 GiB on: Ctrl-C and `--time` end it, and what is done stays done.
---@overload fun(self: mmap.buffer, advice: mmap.advice|integer): integer, integer
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@param advice mmap.advice|integer a name such as `"random"`, or a `MADV_*` number
---@return integer offset of the range in effect
---@return integer length of the range in effect
function buffer:advise(offset, length, advice) end

---Tells the kernel how a range will be used: madvise(2). The range is rounded outward to whole pages, except for advice that takes data away (`dontneed` on private or anonymous memory, `free`, `remove`): there a range that is not whole pages is an error, as rounding would wipe the neighbours. `mmap.advices()` lists what this kernel knows. Advice that makes the kernel go through the pages is given step by step from 1 GiB on: Ctrl-C and `--time` end it, and what is done stays done.
---@param b mmap.buffer
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@param advice mmap.advice|integer a name such as `"random"`, or a `MADV_*` number
---@return integer offset of the range in effect
---@return integer length of the range in effect
function mmap.advise(b, offset, length, advice) end

---Writes what was changed in a shared mapping to the file: msync(2). The range is rounded outward to whole pages.
---@overload fun(self: mmap.buffer, blocking?: boolean, invalidate?: boolean): integer, integer
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@param blocking? boolean true waits until the disk has the data (`MS_SYNC`); false, the default, does not (`MS_ASYNC`), and on Linux does nothing: the kernel writes dirty pages by itself
---@param invalidate? boolean adds `MS_INVALIDATE`
---@return integer offset of the range in effect
---@return integer length of the range in effect
function buffer:sync(offset, length, blocking, invalidate) end

---Writes what was changed in a shared mapping to the file: msync(2). The range is rounded outward to whole pages.
---@param b mmap.buffer
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@param blocking? boolean true waits until the disk has the data (`MS_SYNC`); false, the default, does not (`MS_ASYNC`), and on Linux does nothing: the kernel writes dirty pages by itself
---@param invalidate? boolean adds `MS_INVALIDATE`
---@return integer offset of the range in effect
---@return integer length of the range in effect
function mmap.sync(b, offset, length, blocking, invalidate) end

---How many pages of a range are in memory, and how many are not: mincore(2). It never lies: since Linux 5.2 the kernel reports every page of a file as resident to a caller who may not write the file; then this is an error. For 64 MiB and more of a file that is mapped shared it asks cachestat(2), where the kernel has it, which does not look at every page; that counts pages that are just being read, too.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return integer unmapped pages that are not in memory
---@return integer mapped pages that are
function buffer:incore(offset, length) end

---How many pages of a range are in memory, and how many are not: mincore(2). It never lies: since Linux 5.2 the kernel reports every page of a file as resident to a caller who may not write the file; then this is an error. For 64 MiB and more of a file that is mapped shared it asks cachestat(2), where the kernel has it, which does not look at every page; that counts pages that are just being read, too.
---@param b mmap.buffer
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return integer unmapped pages that are not in memory
---@return integer mapped pages that are
function mmap.incore(b, offset, length) end

---Changes what may be done with the pages: mprotect(2). A buffer that is read-only raises when it is written to.
---@param protection integer `PROT_*` joined by `|`
function buffer:protect(protection) end

---Reads the pages of a range in and keeps them in memory, or lets them go again: mlock(2), munlock(2). The range is rounded outward to whole pages. From 1 GiB on a range is locked by mlock2(2) and read in step by step, so that Ctrl-C and `--time` end it. Where that happens, or a page cannot be read in, all of the range is unlocked.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
function buffer:lock(offset, length) end

---Reads the pages of a range in and keeps them in memory, or lets them go again: mlock(2), munlock(2). The range is rounded outward to whole pages. From 1 GiB on a range is locked by mlock2(2) and read in step by step, so that Ctrl-C and `--time` end it. Where that happens, or a page cannot be read in, all of the range is unlocked.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
function buffer:unlock(offset, length) end

---Changes the length of a mapping: mremap(2). A shared mapping's file is made longer, with its space allocated, or shorter. Not for a slice; slices and views that are within the new size stay usable, others raise. A private mapping of a file cannot be resized, shared anonymous memory cannot grow, and a mapping that ends before its file does cannot shrink.
---@param size integer in bytes; at least 1 for anonymous memory
function buffer:resize(size) end

---Maps the file again at its present size, after pages were lost or when another process has made it longer.
function buffer:remap() end

-- Numbers in a buffer

---Reads one number.
---@param type mmap.elementtype such as `"u32be"`
---@param offset integer in bytes
---@return number value an integer, or a float of `f32` and `f64`; a `u64` from 2^63 up appears as a negative integer
function buffer:get(type, offset) end

---Writes one number. A value that does not fit the type is an error.
---@param type mmap.elementtype such as `"u32be"`
---@param offset integer in bytes
---@param value number for an integer type an integer, or a float that is one
function buffer:set(type, offset, value) end

---Reads values by a format of `string.unpack`, in place.
---@param format string as for `string.pack`
---@param offset? integer where to begin, in bytes
---@return any ... the values
---@return integer next the offset behind them, last
function buffer:unpack(format, offset) end

---Writes values by a format of `string.pack`, in place. Nothing is written unless all of them fit.
---@param format string as for `string.pack`
---@param offset integer where to begin, in bytes
---@param ... any the values
---@return integer next the offset behind them
function buffer:pack(format, offset, ...) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readUInt8(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readUint8(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readInt8(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readUInt16LE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readUInt16BE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readUInt32LE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readUInt32BE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readUint16LE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readUint16BE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readUint32LE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readUint32BE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readInt16LE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readInt16BE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readInt32LE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readInt32BE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readBigUInt64LE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readBigUInt64BE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readBigUint64LE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readBigUint64BE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readBigInt64LE(offset) end

---An integer of the size and byte order in the name, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return integer value a number of 64 bits without sign is negative from 2^63 up
function buffer:readBigInt64BE(offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeUInt8(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeUint8(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeInt8(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeUInt16LE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeUInt16BE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeUInt32LE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeUInt32BE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeUint16LE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeUint16BE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeUint32LE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeUint32BE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeInt16LE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeInt16BE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeInt32LE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeInt32BE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeBigUInt64LE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeBigUInt64BE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeBigUint64LE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeBigUint64BE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeBigInt64LE(value, offset) end

---Writes an integer of the size and byte order in the name, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeBigInt64BE(value, offset) end

---A float of 4 or 8 bytes, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return number value a float
function buffer:readFloatLE(offset) end

---A float of 4 or 8 bytes, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return number value a float
function buffer:readFloatBE(offset) end

---A float of 4 or 8 bytes, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return number value a float
function buffer:readDoubleLE(offset) end

---A float of 4 or 8 bytes, as the accessors of Node's `Buffer` read it.
---@param offset? integer in bytes; 0
---@return number value a float
function buffer:readDoubleBE(offset) end

---Writes a float of 4 or 8 bytes, as the accessors of Node's `Buffer` do.
---@param value number rounded to the nearest float of that size
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeFloatLE(value, offset) end

---Writes a float of 4 or 8 bytes, as the accessors of Node's `Buffer` do.
---@param value number rounded to the nearest float of that size
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeFloatBE(value, offset) end

---Writes a float of 4 or 8 bytes, as the accessors of Node's `Buffer` do.
---@param value number rounded to the nearest float of that size
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeDoubleLE(value, offset) end

---Writes a float of 4 or 8 bytes, as the accessors of Node's `Buffer` do.
---@param value number rounded to the nearest float of that size
---@param offset? integer in bytes; 0
---@return integer next the offset behind it
function buffer:writeDoubleBE(value, offset) end

---An integer of 1 to 8 bytes, as the accessors of Node's `Buffer` read it.
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer value the integer
function buffer:readUIntLE(offset, byteLength) end

---An integer of 1 to 8 bytes, as the accessors of Node's `Buffer` read it.
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer value the integer
function buffer:readUIntBE(offset, byteLength) end

---An integer of 1 to 8 bytes, as the accessors of Node's `Buffer` read it.
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer value the integer
function buffer:readUintLE(offset, byteLength) end

---An integer of 1 to 8 bytes, as the accessors of Node's `Buffer` read it.
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer value the integer
function buffer:readUintBE(offset, byteLength) end

---An integer of 1 to 8 bytes, as the accessors of Node's `Buffer` read it.
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer value the integer
function buffer:readIntLE(offset, byteLength) end

---An integer of 1 to 8 bytes, as the accessors of Node's `Buffer` read it.
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer value the integer
function buffer:readIntBE(offset, byteLength) end

---Writes an integer of 1 to 8 bytes, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer next the offset behind it
function buffer:writeUIntLE(value, offset, byteLength) end

---Writes an integer of 1 to 8 bytes, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer next the offset behind it
function buffer:writeUIntBE(value, offset, byteLength) end

---Writes an integer of 1 to 8 bytes, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer next the offset behind it
function buffer:writeUintLE(value, offset, byteLength) end

---Writes an integer of 1 to 8 bytes, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer next the offset behind it
function buffer:writeUintBE(value, offset, byteLength) end

---Writes an integer of 1 to 8 bytes, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer next the offset behind it
function buffer:writeIntLE(value, offset, byteLength) end

---Writes an integer of 1 to 8 bytes, as the accessors of Node's `Buffer` do.
---@param value integer one that fits
---@param offset integer in bytes
---@param byteLength integer 1 to 8 (in Node, 6)
---@return integer next the offset behind it
function buffer:writeIntBE(value, offset, byteLength) end

-- Typed views

---A typed array on the same memory, with any alignment, byte order and stride. It ends with the mapping.
---@param type mmap.elementtype `u8 i8 u16 i16 u32 i32 u64 i64 f32 f64`, with `le` or `be` behind for the byte order
---@param offset? integer where it begins, in bytes
---@param count? integer how many elements; without it, as many as there are
---@param stride? integer from one element to the next, in bytes
---@return mmap.view v the view
function buffer:view(type, offset, count, stride) end

---A view of a part, on the same memory.
---@param i? integer its first element
---@param n? integer how many
---@return mmap.view slice the part
function view:slice(i, n) end

---Several elements at once, as results.
---@param i integer the first
---@param n? integer how many; 1
---@return number ... the elements
function view:get(i, n) end

---Writes several elements. Nothing is written unless every value fits.
---@param i integer the first
---@param ... number the values
function view:set(i, ...) end

---Elements as a list, which begins at 1 as lists in Lua do.
---@param i? integer the first
---@param n? integer how many; all of them
---@return number[] list the elements
function view:totable(i, n) end

---Gives elements one value.
---@param x number one that fits
---@param i? integer the first
---@param n? integer how many
function view:fill(x, i, n) end

---Copies elements of another view, of a list or of a buffer's bytes, and converts them. A value that does not fit is an error, or becomes the nearest that does.
---@param i integer where to write
---@param source mmap.view|mmap.buffer|number[] what to write
---@param option? "saturate" values that do not fit become the nearest that do
---@return integer count how many elements
function view:copy(i, source, option) end

---Goes over the elements: `for i, x in v:each() do`.
---@return function step gives an index and an element
function view:each() end

---What the view is: the fields of `buffer:info`, and its own.
---@return {type: string, count: integer, stride: integer} info among others:
function view:info() end

---Ends the view; the mapping stays.
function view:close() end

---The sum. That of integers is exact; where it does not fit into 64 bits it is an error.
---@param option? "wrap" cut down to 64 bits instead
---@return number sum an integer, or a float of floats; 0 of nothing
function view:sum(option) end

---The least and the greatest element.
---@return number? value nil of nothing
function view:min() end

---The least and the greatest element.
---@return number? value nil of nothing
function view:max() end

---Both in one pass.
---@return number? min nil of nothing
---@return number? max nil of nothing
function view:minmax() end

---Where the least, or the greatest, element is; the first of several. If another process writes there meanwhile and it is gone, that is an error.
---@return integer? index nil of nothing
function view:argmin() end

---Where the least, or the greatest, element is; the first of several. If another process writes there meanwhile and it is gone, that is an error.
---@return integer? index nil of nothing
function view:argmax() end

---The arithmetic mean.
---@return number? mean a float; nil of nothing
function view:mean() end

---The mean square of the differences from the mean.
---@param missing? integer what is taken from the count before it divides: 0 (the default) for all there is, 1 for a sample
---@return number? variance a float; nil where there are too few
function view:variance(missing) end

---The figures in one pass.
---@return {count: integer, sum: number, min?: number, max?: number, mean?: number} stats its fields are:
function view:stats() end

---How many elements compare so with a number.
---@param op "=="|"~="|"<"|"<="|">"|">=" the comparison
---@param x number what to compare with
---@return integer count in elements
function view:count(op, x) end

---The first element that compares so with a number.
---@param op "=="|"~="|"<"|"<="|">"|">=" the comparison
---@param x number what to compare with
---@param from? integer where to begin
---@return integer? index nil where there is none
function view:find(op, x, from) end

---How many elements lie in each of some intervals of equal width; the last one has its end too. Of integers beyond 2^53 nothing is rounded, and the edges are integers: the least that an interval has.
---@param bins integer how many intervals
---@param lo? number where the first begins; the least element
---@param hi? number where the last ends; the greatest element
---@return integer[] counts a list of `bins` numbers
---@return number[] edges a list of `bins + 1` numbers
function view:histogram(bins, lo, hi) end

---How many different values there are; the zeros are one, and so are all NaNs. The view stays as it is: elements of more than two bytes are copied and sorted for this.
---@return integer count of values
function view:unique() end

---Sorts in place, upward, NaNs last; it takes no memory of its own. What interrupts it leaves all elements there, in some order.
---@return mmap.view v itself
function view:sort() end

---Whether the elements are in order.
---@return boolean sorted whether they are
function view:sorted() end

---In a sorted view, the first element that is not below, or that is above, a number: binary search.
---@param x number the number
---@return integer index #v where there is none
function view:lowerbound(x) end

---In a sorted view, the first element that is not below, or that is above, a number: binary search.
---@param x number the number
---@return integer index #v where there is none
function view:upperbound(x) end

---The scalar product.
---@param other mmap.view of the same length
---@param option? "wrap" cut down to 64 bits where it does not fit
---@return number product an integer, or a float where one of them has floats
function view:dot(other, option) end

---Arithmetic on each element, in place or into another view. A result that does not fit is an error for integers; among floats it is an infinity. Views of integers are all of one type; only floats are divided. The target may be one of the operands, but must not overlap one in another way. Of `u64` a negative number is the value with the same bits.
---@overload fun(self: mmap.view, x: number|mmap.view, option?: "wrap"): mmap.view
---@param x number|mmap.view a number, or as many elements
---@param into? mmap.view where the results go
---@param option? "wrap" cut down to the type where a result does not fit; not of `div`
---@return mmap.view into the view with the results
function view:add(x, into, option) end

---Arithmetic on each element, in place or into another view. A result that does not fit is an error for integers; among floats it is an infinity. Views of integers are all of one type; only floats are divided. The target may be one of the operands, but must not overlap one in another way. Of `u64` a negative number is the value with the same bits.
---@overload fun(self: mmap.view, x: number|mmap.view, option?: "wrap"): mmap.view
---@param x number|mmap.view a number, or as many elements
---@param into? mmap.view where the results go
---@param option? "wrap" cut down to the type where a result does not fit; not of `div`
---@return mmap.view into the view with the results
function view:sub(x, into, option) end

---Arithmetic on each element, in place or into another view. A result that does not fit is an error for integers; among floats it is an infinity. Views of integers are all of one type; only floats are divided. The target may be one of the operands, but must not overlap one in another way. Of `u64` a negative number is the value with the same bits.
---@overload fun(self: mmap.view, x: number|mmap.view, option?: "wrap"): mmap.view
---@param x number|mmap.view a number, or as many elements
---@param into? mmap.view where the results go
---@param option? "wrap" cut down to the type where a result does not fit; not of `div`
---@return mmap.view into the view with the results
function view:mul(x, into, option) end

---Arithmetic on each element, in place or into another view. A result that does not fit is an error for integers; among floats it is an infinity. Views of integers are all of one type; only floats are divided. The target may be one of the operands, but must not overlap one in another way. Of `u64` a negative number is the value with the same bits.
---@overload fun(self: mmap.view, x: number|mmap.view, option?: "wrap"): mmap.view
---@param x number|mmap.view a number, or as many elements
---@param into? mmap.view where the results go
---@param option? "wrap" cut down to the type where a result does not fit; not of `div`
---@return mmap.view into the view with the results
function view:div(x, into, option) end

-- Text and patterns

---Goes over the lines: `for line, offset in b:lines() do`. A line is a string without the newline that ends it; a carriage return stays. The iterator is a function.
---@param options? {offset?: integer, length?: integer, keep?: boolean, sep?: string, ranges?: boolean, find?: string} what else is wanted:
---@return function step gives a line and its offset
function buffer:lines(options) end

---Goes over the rows, with their fields as results: `for name, x in b:fields(";", { "string", "number" }) do`. Numbers are what `tonumber` takes. A field that is none, or that is missing, is an error that names row and field; the next step goes on behind that row. A carriage return in front of the newline belongs to the end of the row, unless `sep` is given.
---@param separator string 1 to 16 bytes between two fields
---@param types? string[] one for each field: `"string"`, `"number"`, `"integer"` or `"skip"` (which may also be missing at the end), with a `?` behind where nil stands for what is missing or no number, but not for the first result, whose nil would end the loop; without types all are strings, and fields beyond the types are passed over
---@param options? {offset?: integer, length?: integer, csv?: boolean, header?: boolean, skipblank?: boolean, sep?: string} what else is wanted:
---@return function step gives the fields of a row
function buffer:fields(separator, types, options) end

---A pattern of Lua's, matched in place: the results of `string.match`, but position captures are offsets from 0. It is made a pattern of PCRE2, which has a limit: tens of thousands of characters are "pattern too complex".
---@param pattern string see "Patterns" in the manual of Lua
---@param offset? integer where to begin, in bytes
---@return string|integer|nil ... the captures, the whole match, or nil
function buffer:match(pattern, offset) end

---All matches of a pattern of Lua's, one after the other.
---@param pattern string see "Patterns" in the manual of Lua
---@param offset? integer where to begin, in bytes
---@return function step gives what `buffer:match` does
function buffer:gmatch(pattern, offset) end

---Compiles a regular expression: PCRE2, with its JIT. A buffer is searched in place; with the flag `u`, and where there is no machine code for a pattern, in copies of its parts. A match that looks at much, as one of `(?s)a.*b` may, is found in a copy of all that it looks at; such copies count for `--memory`.
---@param pattern string see pcre2pattern(3)
---@param flags? string any of `i` (either case), `m` (`^` and `$` at every line), `s` (a dot is a newline too), `x` (blanks and comments in the pattern), `u` (UTF-8)
---@return mmap.regex re the expression
function mmap.regex(pattern, flags) end

---The first match: where it is, and its captures.
---@param b mmap.buffer|string where to look
---@param offset? integer where to begin, in bytes
---@return integer? offset nil where there is none
---@return integer? length in bytes
---@return string|false ... the captures; false for one that has no part in the match
function regex:find(b, offset) end

---The first match: its captures, or the whole of it where there are none.
---@param b mmap.buffer|string where to look
---@param offset? integer where to begin, in bytes
---@return string|false|nil ... the captures; false for one that has no part in the match; nil where there is none
function regex:match(b, offset) end

---All matches, one after the other.
---@param b mmap.buffer|string where to look
---@param offset? integer where to begin, in bytes
---@return function step gives what `regex:match` does
function regex:gmatch(b, offset) end

---How many matches there are.
---@param b mmap.buffer|string where to look
---@param offset? integer where to begin, in bytes
---@return integer count of matches
function regex:count(b, offset) end

---Frees the compiled expression now; else the collector does.
function regex:close() end

-- Records

---Makes a layout. Types are those of views, `char[n]` (a string without the zero bytes at its end), `bytes[n]` (all n bytes) or another layout; a count makes an array of numbers or of a layout. Without `align` fields follow each other without gaps. A field's own `offset` puts it there, whatever comes before, so that fields may overlap as in a union; the next field follows.
---@param fields table a list of the fields, and:
---@return mmap.struct layout the layout
function mmap.struct(fields) end

---What the fields are.
---@return table[] fields a list of tables with `name`, `type`, `count`, `offset`, `size` and, of an inner layout, `layout`
function struct:fields() end

---Where a field begins.
---@param name string the field
---@return integer offset in the record, in bytes
function struct:offset(name) end

---All fields of a record, as `record:totable` gives them; also where a field is called `totable`.
---@param record mmap.record one of this layout
---@return table fields by their names
function struct:totable(record) end

---An array of records on the same memory.
---@param layout mmap.struct what a record is
---@param offset? integer where the first begins, in bytes
---@param count? integer how many; without it, as many as there are
---@param stride? integer from one to the next, in bytes
---@return mmap.records r the records
function buffer:records(layout, offset, count, stride) end

---A part of them, on the same memory.
---@param i? integer its first record
---@param n? integer how many
---@return mmap.records slice the part
function records:slice(i, n) end

---Goes over the records: `for i, record in r:each() do`.
---@return function step gives an index and a record
function records:each() end

---One field of all records as a view with a stride: everything that views can do, with no record made for each. Of an inner layout the result is records.
---@param name string the field
---@param element? integer which one, of an array; from 0
---@return mmap.view v the column
function records:column(name, element) end

---The layout that they were made with.
---@return mmap.struct layout the layout
function records:layout() end

---What the records are: the fields of `buffer:info`, and their own.
---@return {count: integer, stride: integer} info among others:
function records:info() end

---All fields, arrays as lists from 1. A field of the name `totable` wins; then `struct:totable` is there.
---@return table fields by their names
function record:totable() end

-- Instruments

---Which pages of a range are in memory, as a set, with one bit for each: mincore(2).
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return mmap.pages p the set
function buffer:pages(offset, length) end

---How many pages are in the set, or in a part of it.
---@param page? integer the first
---@param n? integer how many
---@return integer count in pages
function pages:count(page, n) end

---Goes over the runs of pages in the set: `for first, n in p:ranges() do`.
---@return function step gives the first page of a run and how many there are
function pages:ranges() end

---What is different: the pages that are in this set and not in the other, and the reverse.
---@param before mmap.pages a set of as many pages
---@return mmap.pages came only in this set
---@return mmap.pages went only in the other
function pages:diff(before) end

---Where a page begins in the buffer.
---@param page integer the page, from 0 to #p - 1
---@return integer offset in bytes; negative where the page begins before the buffer does
function pages:offset(page) end

---A picture of the pages: what is in memory, what is dirty, and what of a private mapping is a copy. On a terminal it has its width, colours and, where the locale has them, other characters than ASCII; not when the output goes elsewhere, nor the colours where `NO_COLOR` is set.
---@param options? {since?: mmap.pages, width?: integer, rows?: integer, color?: boolean, ascii?: boolean} what else is wanted:
---@return string picture without a newline at its end
function buffer:show(options) end

---Calls a function and redraws the picture on the terminal meanwhile.
---@param fn function what to watch
---@param ... any its arguments
---@return any ... its results
function buffer:watch(fn, ...) end

---Calls a function and tells what that has cost. `mmaplua --faults script.lua` does it for a whole script.
---@param fn function what to measure
---@param ... any its arguments
---@return {minor: integer, major: integer, seconds: number, read: integer, rss: integer, pages: integer} cost its fields are:
---@return any ... the results of the function
function mmap.faults(fn, ...) end

---The state of a file's pages in the page cache: cachestat(2), since Linux 6.5.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return {cached: integer, dirty: integer, writeback: integer, evicted: integer, recently_evicted: integer} state in pages:
function buffer:cachestat(offset, length) end

---The page table of a range: /proc/self/pagemap, as sets of pages.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return {pages: integer, present: mmap.pages, swapped: mmap.pages, file: mmap.pages, exclusive: mmap.pages, diverged: mmap.pages, softdirty?: mmap.pages} sets its fields are:
function buffer:pagemap(offset, length) end

---The mapping in /proc/self/smaps: sizes in bytes, by their names in lower case, summed where the mapping has several entries; these are in the list.
---@return {size: integer, rss: integer, pss: integer, private_dirty: integer, anonhugepages: integer, flags: table} entry among others:
function buffer:smaps() end

---The parts of the file that have data and those that are holes: lseek(2) with SEEK_DATA and SEEK_HOLE.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@return {data: integer, hole: integer} parts a list of tables with `offset`, `length` and `data` (a boolean), and:
function buffer:holes(offset, length) end

---Writes a file's dirty pages and drops the clean ones from the page cache: posix_fadvise(2). Pages stay that are locked, that another process maps, or that have no disk behind them (tmpfs).
---@overload fun(self: mmap.buffer): integer?, integer?
---@return integer? went pages; nil where the kernel does not say
---@return integer? stayed pages; nil where the kernel does not say
function buffer:evict() end

---Writes a file's dirty pages and drops the clean ones from the page cache: posix_fadvise(2). Pages stay that are locked, that another process maps, or that have no disk behind them (tmpfs).
---@param b string|mmap.buffer a path, or a buffer of the file
---@return integer? went pages; nil where the kernel does not say
---@return integer? stayed pages; nil where the kernel does not say
function mmap.evict(b) end

---Reads a byte of each page of a range, and so brings them in.
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@param stride? integer from one byte to the next; a page
---@return integer touched how many bytes were read
function buffer:touch(offset, length, stride) end

---Enters all pages of a range into the page table at once: `MADV_POPULATE_READ`, `MADV_POPULATE_WRITE`.
---@overload fun(self: mmap.buffer, how?: "read"|"write"): integer, integer
---@param offset? integer where the range begins, in bytes
---@param length? integer in bytes
---@param how? "read"|"write" as if each page were read (the default) or written to
---@return integer offset of the range in effect
---@return integer length of the range in effect
function buffer:populate(offset, length, how) end

---Makes a file of a size that has no blocks yet, and maps it, shared and writable. The file must not exist.
---@param path string the new file
---@param size integer in bytes
---@return mmap.buffer b the buffer
function mmap.sparse(path, size) end

---The advice that the running kernel knows, found by trying on memory of its own. `print(mmap.advices())` draws a table.
---@return table[] list of tables with `name`, `number`, `meaning`, `takes` (for each kind of mapping true, or the code of the error) and `destroys` (whether data was gone)
function mmap.advices() end

---What the mapping is, in words: its line in /proc/self/maps, where its bytes live, who sees a write, and when it reaches the disk.
---@return string text of several lines
function buffer:explain() end

-- Memory between processes

---Maps shared memory by its name: shm_open(3). With a size it is made if it is not there, for this user alone, with its space allocated, and extended if it is smaller; without one it is mapped as large as it is. It stays until `mmap.unlink`.
---@param name string 1 to 255 bytes without a slash, but for one in front
---@param size? integer in bytes, at least 1
---@param options? {exclusive?: boolean} what else is wanted:
---@return mmap.buffer b the buffer
function mmap.shared(name, size, options) end

---Takes the name of shared memory away: shm_unlink(3). Who has it mapped keeps it.
---@param name string as for `mmap.shared`
function mmap.unlink(name) end

---Maps a file in memory that has no name in the file system: memfd_create(2). It is gone with its last mapping and descriptor.
---@param name string for people who look into /proc; at most 249 bytes
---@param size integer in bytes, at least 1
---@param options? {seal?: boolean} what else is wanted:
---@return mmap.buffer b the buffer
function mmap.memfd(name, size, options) end

---An integer in the buffer that several processes or mappings may change at once. It is aligned and in the machine's byte order.
---@param type "u8"|"i8"|"u16"|"i16"|"u32"|"i32"|"u64"|"i64" the type; only `u32` and `i32` can be waited on
---@param offset integer in bytes; a multiple of the type's size
---@return mmap.atomic a the atomic
function buffer:atomic(type, offset) end

---Reads the value; sequentially consistent, as all of an atomic's operations are.
---@return integer value of the atomic's type
function atomic:load() end

---Writes the value.
---@param value integer one that fits
function atomic:store(value) end

---Adds to the value, which wraps around at the ends of its type.
---@param n? integer what to add; 1
---@return integer former the value before
function atomic:add(n) end

---Writes a value and gives the one before, in one step.
---@param value integer one that fits
---@return integer former the value before
function atomic:exchange(value) end

---Writes a value if the one that is there is as expected, in one step.
---@param expected integer what must be there
---@param desired integer what to write then
---@return boolean exchanged whether it was
---@return integer former the value before
function atomic:compareexchange(expected, desired) end

---Sleeps while the value is the expected one, until `atomic:wake` is called in any process: futex(2). Who wakes changes the value first: a call of `atomic:wake` without a change may be missed. Ctrl-C ends the wait.
---@param expected integer the value that is waited at
---@param timeout? number seconds, 0 or more; without it there is no end
---@return boolean woken whether it was woken or the value is another; false when the time is over
function atomic:wait(expected, timeout) end

---Wakes those who wait for a change of the value: futex(2). The value is changed before.
---@param n? integer at most so many; without it, all
---@return integer woken how many
function atomic:wake(n) end

---Locks a range of the file for those who ask: fcntl(2) with `F_OFD_SETLK`. The lock is its own owner: another one on the same bytes stands against it in the same process too. It lasts until it is released, even if the buffer is closed. Ctrl-C ends waiting for it.
---@param offset? integer where the range begins, in bytes; 0
---@param length? integer in bytes, at least 1; without it, to the end
---@param mode? "exclusive"|"shared" shared ones stand beside each other; an exclusive one needs the right to write the file
---@param timeout? number seconds, 0 only tries; without it there is no end
---@return mmap.lock? l the lock; nil where the time is over
---@return string? why `"timeout"` then
function buffer:lockrange(offset, length, mode, timeout) end

---Releases the lock; a second time does nothing. The collector does it too.
function lock:unlock() end

---Runs a file or a function in a new process: posix_spawn(3) of the program that runs, mmaplua or a lua5.4 with the module. It reads nothing (/dev/null) and writes where its parent does. Buffers, views and atomics on shared memory show the same bytes there. Tables are sent by value, and may contain themselves. A function has its globals and loaded modules; another upvalue is an error that names it. The child has the `--memory`, `--time` and sandbox options of its parent; in a sandbox `spawn` needs `--allow-run`. If its parent ends or forgets it, it goes on.
---@param script string|fun() a path, or a function
---@param ... any its arguments: nil, booleans, numbers, strings, plain tables; buffers, views and atomics that are shared: of `mmap.shared`, `mmap.memfd`, `mmap.anonymous` with `shared = true`, or of a file opened with `"r"` or `"r+"`
---@return mmap.child c the child
function mmap.spawn(script, ...) end

---Waits until the child has ended. Asked again it gives the same. Ctrl-C ends the wait.
---@param timeout? number seconds, 0 only asks; without it there is no end
---@return boolean? ok true; false where it failed; nil and `"timeout"` where it still runs
---@return any ... its results: nil, booleans, numbers, strings, plain tables; or a message, with the traceback of an error, then `"exit"` or `"signal"` and the number of it
function child:wait(timeout) end

---Sends the child a signal: kill(2).
---@param signal? integer|string its number or name, `"KILL"` or `"SIGKILL"`; SIGTERM
---@return boolean sent whether it was still there
function child:kill(signal) end

---The number of the process.
---@return integer pid it
function child:pid() end

---Whether the child has not ended yet.
---@return boolean running whether it runs
function child:running() end

return mmap
