--- The page of the library, made of the annotations in meta/: each file is read in order, and what is said there is said on
-- the page. scripts/reference writes it; tests/spec/meta_spec.lua holds annotations, page and what there is against each other.
local reference = {}

--- The files in the order of the page.
reference.FILES = { "umpire", "sandbox", "schema", "throttle", "logged_in", "own", "compose", "sim", "players",
  "client" }

-- How the page calls what a variable of a meta file stands for; its own name if it is not here.
reference.SHOWN = { Rulebook = "game", stream = "client", laneya = "client", joint = "client", pymmorpg = "client",
  pygase = "client" }

-- ---- reading ----

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- "---@field name string|nil what it is" and the like: a type may hold blanks inside of brackets and after , : |
local function split_type(text)
  local depth, i = 0, 1
  while i <= #text do
    local c = text:sub(i, i)
    if c:find "[%(<{%[]" then depth = depth + 1
    elseif c:find "[%)>}%]]" then depth = depth - 1
    elseif c == " " and depth == 0 and not text:sub(1, i - 1):find "[,:|]$" then break end
    i = i + 1
  end
  return text:sub(1, i - 1), (text:sub(i + 1):gsub("^%s+", ""))
end

local tags = {}

function tags.class(doc, rest) doc.class = rest:match "^[%w_.]+" end
function tags.alias(doc, rest)
  local name, type_ = rest:match "^(%S+)%s+(.*)$"
  doc.alias = { name = name, type = type_ }
end
function tags.field(doc, rest)
  local name, text = rest:match "^(%S+)%s+(.*)$"
  local type_, meaning = split_type(text)
  doc.fields[#doc.fields + 1] = { name = name, type = type_, text = meaning }
  return doc.fields[#doc.fields]
end
function tags.param(doc, rest)
  local name, text = rest:match "^(%S+)%s+(.*)$"
  local type_, meaning = split_type(text)
  if name:find "%?$" then name, type_ = name:sub(1, -2), type_ .. "|nil" end
  doc.params[#doc.params + 1] = { name = name, type = type_, text = meaning }
  return doc.params[#doc.params]
end
tags["return"] = function(doc, rest)
  local type_, text = split_type(rest)
  local name, meaning = text:match "^(%S+)%s*(.*)$"
  doc.returns[#doc.returns + 1] = { name = name or "", type = type_, text = meaning or "" }
  return doc.returns[#doc.returns]
end
function tags.overload(doc, rest) doc.overloads[#doc.overloads + 1] = rest end
function tags.meta() end

local function new_doc() return { lines = {}, fields = {}, params = {}, returns = {}, overloads = {} } end

-- One line of a comment. A line without a tag after a tag goes on with what the tag said.
local function take_comment(doc, line, where)
  local tag, rest = line:match "^@(%w+)%s*(.*)$"
  if tag then
    if not tags[tag] then error(("%s: unknown tag @%s"):format(where, tag), 0) end
    doc.last = tags[tag](doc, rest)
  elseif doc.last then doc.last.text = doc.last.text .. " " .. line
  else doc.lines[#doc.lines + 1] = line end
end

--- What a meta file says, in order: { kind = "text", text }, { kind = "class", name, doc }, { kind = "alias", ... },
-- { kind = "function", variable, sep = "." or ":", name, args, doc }. Each has file and line.
function reference.parse(path)
  local items, doc, long = {}, nil, nil
  local n = 0
  local function add(item)
    item.file, item.line = path, n
    items[#items + 1] = item
  end
  local function close()
    if not doc then return end
    if doc.class then add { kind = "class", name = doc.class, doc = doc }
    elseif doc.alias then add { kind = "alias", name = doc.alias.name, type = doc.alias.type, doc = doc } end
    doc = nil
  end
  for line in (read(path) .. "\n"):gmatch "(.-)\n" do
    n = n + 1
    if long then
      if line == "]]" then
        add { kind = "text", text = table.concat(long, "\n") }
        long = nil
      else long[#long + 1] = line end
    elseif line == "--[[md" then
      close()
      long = {}
    elseif line:find "^%-%-%-" then
      local text = line:sub(4)
      local is_new = text:find "^@class" or text:find "^@alias"
      if doc and is_new and (doc.class or doc.alias) then close() end
      doc = doc or new_doc()
      take_comment(doc, text, path .. ":" .. n)
    else
      local variable, sep, name, args = line:match "^function ([%a_]+)([.:])([%w_]+)%((.-)%)"
      if not variable then variable, sep, name, args = "", "", line:match "^local function ([%w_]+)%((.-)%)" end
      if name and doc then
        add { kind = "function", variable = variable, sep = sep, name = name, args = args, doc = doc }
        doc = nil
      end
      close()
    end
  end
  return items
end

--- Whole name of a function item as the page has it: "host.notify", "world:advance", "game.legal".
function reference.name(item)
  if item.variable == "" then return item.name end
  return (reference.SHOWN[item.variable] or item.variable) .. item.sep .. item.name
end

--- The examples of a doc: pieces of code, indented by four blanks in the annotation.
function reference.examples(doc)
  local out, code = {}, nil
  for _, line in ipairs(doc.lines) do
    local piece = line:match "^    (.*)$"
    if piece then
      code = code or {}
      code[#code + 1] = piece
    elseif code then
      out[#out + 1], code = table.concat(code, "\n") .. "\n", nil
    end
  end
  if code then out[#out + 1] = table.concat(code, "\n") .. "\n" end
  return out
end

-- ---- writing ----

local function shown_type(text)
  text = text:gsub("umpire%.sim%.", ""):gsub("umpire%.(%u)", "%1"):gsub("umpire%.host", "host")
  return "`" .. text .. "`"
end

local function cell(text) return (text:gsub("|", "\\|")) end
local function type_cell(text) return (shown_type(text):gsub("|", "\\|")) end

-- The words of a doc, its code in fences.
local function prose(out, lines)
  local in_code = false
  for i, line in ipairs(lines) do
    local code = line:match "^    (.*)$"
    if code and not in_code then
      if out[#out] ~= "" then out[#out + 1] = "" end
      out[#out + 1], in_code = "```lua", true
    elseif not code and in_code then
      out[#out + 1], in_code = "```", false
    end
    local is_before_code = line == "" and (lines[i + 1] or ""):find "^    "
    if not is_before_code then out[#out + 1] = code or line end
  end
  if in_code then out[#out + 1] = "```" end
end

local write = {}

function write.text(out, item)
  out[#out + 1] = item.text
  out[#out + 1] = ""
end

function write.alias(out, item)
  local first = #out + 1
  prose(out, item.doc.lines)
  out[first] = ("`%s`: %s"):format(item.name:gsub("umpire%.", ""), out[first])
  out[#out + 1] = ""
end

function write.class(out, item)
  if #item.doc.fields == 0 then return end
  if #item.doc.lines > 0 then
    prose(out, item.doc.lines)
    out[#out + 1] = ""
  end
  out[#out + 1] = "| field | type | |"
  out[#out + 1] = "|---|---|---|"
  for _, field in ipairs(item.doc.fields) do
    out[#out + 1] = ("| `%s` | %s | %s |"):format(field.name, type_cell(field.type), cell(field.text))
  end
  out[#out + 1] = ""
end

local function one_of(list)
  local parts = {}
  for _, r in ipairs(list) do
    local name, text = r.name ~= "" and " " .. r.name or "", r.text ~= "" and " (" .. r.text .. ")" or ""
    parts[#parts + 1] = shown_type(r.type) .. name .. text
  end
  return table.concat(parts, ", ")
end

write["function"] = function(out, item)
  out[#out + 1] = ("#### %s(%s)"):format(reference.name(item), item.args)
  out[#out + 1] = ""
  prose(out, item.doc.lines)
  out[#out + 1] = ""
  for _, p in ipairs(item.doc.params) do
    out[#out + 1] = ("- `%s` %s%s"):format(p.name, shown_type(p.type), p.text ~= "" and ": " .. p.text or "")
  end
  if #item.doc.returns > 0 then out[#out + 1] = "- returns " .. one_of(item.doc.returns) end
  if #item.doc.params + #item.doc.returns > 0 then out[#out + 1] = "" end
end

-- An alias is worth a line where it is more than another name.
local function is_told(item) return item.kind ~= "alias" or #item.doc.lines > 1 end

-- The globals, as the standard for luacheck lists them.
local function globals(folder)
  local std = dofile(folder .. "/luacheck.lua").read_globals
  local plain, rows = {}, {}
  for name, what in pairs(std) do
    if what.fields then
      local fields = {}
      for field in pairs(what.fields) do fields[#fields + 1] = "`" .. field .. "`" end
      table.sort(fields)
      rows[#rows + 1] = ("| `%s` | %s |"):format(name, table.concat(fields, " "))
    else plain[#plain + 1] = "`" .. name .. "`" end
  end
  table.sort(plain)
  table.sort(rows)
  return "| | |\n|---|---|\n| | " .. table.concat(plain, " ") .. " |\n" .. table.concat(rows, "\n")
end

-- The guides by their titles: those that begin at the beginning, then those for who comes from elsewhere.
local FIRST = { ["first-rulebook.md"] = 1, ["testing.md"] = 2, ["middleware.md"] = 3, ["live-changes.md"] = 4 }

local function guides(folder)
  local names, lines = {}, {}
  local pipe = io.popen(("ls '%s/guides'"):format(folder))
  for name in pipe:lines() do names[#names + 1] = name end
  pipe:close()
  local function place(name) return FIRST[name] or name:find "from%-" and 9 or 5 end
  table.sort(names, function(a, b)
    if place(a) ~= place(b) then return place(a) < place(b) end
    return a < b
  end)
  for _, name in ipairs(names) do
    local title = read(folder .. "/guides/" .. name):match "^# ([^\n]+)"
    lines[#lines + 1] = ("- [%s](guides/%s)"):format(title, name)
  end
  return table.concat(lines, "\n")
end

--- The whole page. folder: where meta/ and luacheck.lua are.
function reference.page(folder)
  local out = {}
  for _, name in ipairs(reference.FILES) do
    for _, item in ipairs(reference.parse(("%s/meta/%s.lua"):format(folder, name))) do
      if is_told(item) then write[item.kind](out, item) end
    end
  end
  local text = table.concat(out, "\n"):gsub("\n\n\n+", "\n\n")
  text = text:gsub("{{(%w+)}}", { globals = globals(folder), guides = guides(folder) })
  return (text:gsub("%s+$", "") .. "\n")
end

return reference
