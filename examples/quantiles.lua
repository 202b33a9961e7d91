-- quantiles.lua FILE COLUMN - count, mean, median, and 95th percentile of a column of a CSV file with a header; empty fields are left out.
--
-- test: "$(printf 'name,ms\na,12\nb,\nc,3.5\nd,900\ne,17\n' >"$TMP/t.csv" && echo "$TMP/t.csv")" ms

if #arg ~= 2 then
  io.stderr:write "usage: mmaplua quantiles.lua FILE COLUMN\n"
  os.exit(2)
end

-- A view of its own memory with the numbers of one column: NaN where the field is empty.
local function column(path, name)
  local b <close> = mmap.open(path)
  local types, found = {}, false
  for field in b:fields("\0", { "string" }, { csv = true, sep = ",", length = (b:find "\n" or #b) }) do
    found = field == name
    types[#types + 1] = found and "number?" or "skip"
    if found then break end
  end
  if not found then error(("%s has no column '%s'"):format(path, name), 0) end
  -- The first result ends the loop where it is nil: the position of the row comes first.
  local rows = b:count "\n" + 1
  local numbers = mmap.anonymous(math.max(8 * rows, 8)):view "f64"
  local count = 0
  for _, _, _, number in b:fields(",", types, { csv = true, header = true, position = true }) do
    numbers[count] = number or 0 / 0
    count = count + 1
  end
  return numbers:slice(0, count)
end

local ok, numbers = pcall(column, arg[1], arg[2])
if not ok then
  io.stderr:write("quantiles.lua: ", tostring(numbers), "\n")
  os.exit(1)
end
local known = numbers:stats "skipnan"
if not known then
  print(("%d rows, no numbers"):format(#numbers))
  return
end
print(("rows     %d, of them with a number %d"):format(#numbers, known.count))
print(("mean     %.6g"):format(known.mean))
print(("median   %.6g"):format(numbers:median "skipnan"))
print(("p95      %.6g"):format(numbers:quantile(0.95, "skipnan")))
print(("greatest %.6g"):format(known.max))
