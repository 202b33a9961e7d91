-- wav.lua [FILE [WIDTH]] - the format of a WAV file, each channel's peak and loudness, and the waveform
-- drawn in the terminal, WIDTH columns wide (76). Without FILE it makes one: two tones that swell and fade.
--
-- A column of the drawing is the smallest and the largest of its samples: one call each on a view, so that
-- an hour of sound takes no longer than reading the file does.
--
-- test:
-- test: "" 20

local mmap = require "mmap"

local HEIGHT <const> = 4 -- lines above the middle, and below
local PCM <const>, FLOAT <const>, EXTENSIBLE <const> = 1, 3, 0xfffe

-- RIFF: chunks with a name and a size, little-endian; see "Multimedia Programming Interface", 1991.
local Riff = mmap.struct { { "id", "char[4]" }, { "size", "u32le" }, { "form", "char[4]" } }
local Chunk = mmap.struct { { "id", "char[4]" }, { "size", "u32le" } }
local Format = mmap.struct {
  { "tag", "u16le" }, { "channels", "u16le" }, { "rate", "u32le" }, { "bytes_per_second", "u32le" },
  { "frame", "u16le" }, { "bits", "u16le" },
}
-- The tag after EXTENSIBLE begins the identifier at the end of a longer format.
local SUBFORMAT <const> = 24

-- Types of samples, what full scale is, and what silence is.
local SAMPLES <const> = {
  [PCM] = { [8] = { "u8", 128, 128 }, [16] = { "i16le", 1 << 15, 0 }, [32] = { "i32le", 1 << 31, 0 } },
  [FLOAT] = { [32] = { "f32le", 1, 0 }, [64] = { "f64le", 1, 0 } },
}

-- A mistake of the file, not of this script: no position in front.
local function fail(format, ...) error(format:format(...), 0) end

-- The places of the chunks by name; the first one counts.
local function chunks(b)
  local riff = #b >= #Riff and b:records(Riff, 0, 1)[0]
  if not riff or riff.id ~= "RIFF" or riff.form ~= "WAVE" then fail "not a WAV file" end
  local found, at = {}, #Riff
  while at + #Chunk <= #b do
    local chunk = b:records(Chunk, at, 1)[0]
    at = at + #Chunk
    -- A recorder that was stopped leaves a size that is too large.
    found[chunk.id] = found[chunk.id] or { offset = at, size = math.min(chunk.size, #b - at) }
    at = at + chunk.size + chunk.size % 2
  end
  return found
end

local function generate()
  local rate, seconds = 44100, 2
  local n = rate * seconds
  local start <const> = #Riff + #Chunk + #Format + #Chunk
  local b = mmap.anonymous(start + n * 4)
  b:records(Riff, 0, 1)[0] = { id = "RIFF", size = #b - 8, form = "WAVE" }
  b:records(Chunk, 12, 1)[0] = { id = "fmt ", size = #Format }
  b:records(Format, 20, 1)[0] =
    { tag = PCM, channels = 2, rate = rate, bytes_per_second = rate * 4, frame = 4, bits = 16 }
  b:records(Chunk, start - 8, 1)[0] = { id = "data", size = n * 4 }
  local samples = b:view("i16le", start)
  for i = 0, n - 1 do
    local t = i / rate
    samples[2 * i] = math.floor(30000 * math.sin(2 * math.pi * 440 * t) * math.sin(math.pi * t / seconds))
    samples[2 * i + 1] = math.floor(20000 * math.sin(2 * math.pi * 330 * t) * math.cos(2 * math.pi * t) ^ 2)
  end
  return b
end

local locale = (os.getenv "LC_ALL" or "") ~= "" and os.getenv "LC_ALL"
  or (os.getenv "LC_CTYPE" or "") ~= "" and os.getenv "LC_CTYPE" or os.getenv "LANG" or ""
local FULL = locale:lower():find "utf%-?8" and "█" or "#"

-- Each column from its lowest to its highest sample, in lines of 1 / HEIGHT of full scale.
local function draw(channel, silence, scale, width)
  local columns, n = {}, #channel
  width = math.min(width, n)
  for x = 0, width - 1 do
    local first = n * x // width
    local low, high = channel:slice(first, n * (x + 1) // width - first):minmax()
    -- From silence on: a tone is a body then, however few samples a column has.
    columns[x + 1] = { math.min(low - silence, 0) / scale * HEIGHT, math.max(high - silence, 0) / scale * HEIGHT }
  end
  for line = HEIGHT, -HEIGHT + 1, -1 do
    local text = {}
    for x, column in ipairs(columns) do
      -- The line is the band from line - 1 to line.
      local inside = column[2] > line - 1 and column[1] < line
      text[x] = inside and FULL or line == 1 and "_" or " "
    end
    print((("  " .. table.concat(text)):gsub(" +$", "")))
  end
end

local function decibels(x) return x > 0 and ("%.1f dB"):format(20 * math.log(x, 10)) or "silence" end

local function run(path, width)
  local b <close> = path ~= "" and mmap.open(path) or generate()
  local parts = chunks(b)
  local fmt, data = parts["fmt "], parts.data
  if not fmt or fmt.size < #Format then fail "there is no format" end
  if not data then fail "there are no samples" end
  local format = b:records(Format, fmt.offset, 1)[0]
  local tag = format.tag
  if tag == EXTENSIBLE and fmt.size >= SUBFORMAT + 2 then tag = b:get("u16le", fmt.offset + SUBFORMAT) end
  local kind = SAMPLES[tag] and SAMPLES[tag][format.bits]
  if not kind then fail("samples of %d bits in format %d are not known here", format.bits, tag) end
  local type, scale, silence = table.unpack(kind)
  local channels, frame = format.channels, format.frame
  if channels < 1 or frame ~= channels * format.bits // 8 then fail "its frames and its samples do not agree" end
  local frames = data.size // frame
  print(("%s: %d Hz, %d bits, %d channel%s, %.2f seconds"):format(path ~= "" and path or "two tones", format.rate,
    format.bits, channels, channels == 1 and "" or "s", frames / math.max(format.rate, 1)))
  if frames == 0 then return end
  for c = 0, channels - 1 do
    local channel = b:view(type, data.offset + c * format.bits // 8, frames, frame)
    local low, high = channel:minmax()
    local peak = math.max(math.abs(low - silence), math.abs(high - silence)) / scale
    local mean = channel:mean() - silence
    local loudness = math.sqrt(channel:variance() + mean * mean) / scale
    print(("\nChannel %d: peak %s, mean square %s"):format(c + 1, decibels(peak), decibels(loudness)))
    draw(channel, silence, scale, width)
  end
end

local path, width = arg[1] or "", math.tointeger(tonumber(arg[2] or 76))
if #arg > 2 or not width or width < 1 then
  io.stderr:write "usage: mmaplua wav.lua [FILE [WIDTH]]\n"
  os.exit(2)
end
local ok, problem = pcall(run, path, width)
if not ok then
  problem = tostring(problem)
  io.stderr:write("wav.lua: ", problem:find(path, 1, true) and "" or path .. ": ", problem, "\n")
  os.exit(1)
end
