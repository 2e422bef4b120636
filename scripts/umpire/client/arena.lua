--- What a player of rules/arena.lua sees: the map, the others, and the own figure, which moves at once and is put back when
-- the server says that the move was illegal. No I/O: verdicts and notifies go in, a picture comes out.
--
-- The own place is kept twice: where the server has it (confirmed), and where the moves that are still unjudged would lead
-- (x, y). An illegal move is taken out of the unjudged ones, so everything after it shifts back.
local Arena = {}
Arena.__index = Arena

local M = {}

function M.new()
  return setmetatable({
    me = nil, map = {}, coin = nil, score = 0,
    confirmed_x = 0, confirmed_y = 0,
    unjudged = {}, -- { id, dx, dy }, oldest first
    others = {},   -- letter -> { x, y, score }
    news = {},     -- what happened lately, in words, newest last
  }, Arena)
end

function Arena:say(text)
  self.news[#self.news + 1] = text
  if #self.news > 6 then table.remove(self.news, 1) end
end

--- Where the own figure is shown.
function Arena:place()
  local x, y = self.confirmed_x, self.confirmed_y
  for _, move in ipairs(self.unjudged) do x, y = x + move.dx, y + move.dy end
  return x, y
end

--- A move that was sent with this id; it shows at once.
function Arena:moved(id, dx, dy) self.unjudged[#self.unjudged + 1] = { id = id, dx = dx, dy = dy } end

--- The verdict for a move. Returns a sentence about it.
function Arena:judged(verdict)
  for i, move in ipairs(self.unjudged) do
    if move.id == verdict.id then
      table.remove(self.unjudged, i)
      if verdict.legal then
        self.confirmed_x, self.confirmed_y = self.confirmed_x + move.dx, self.confirmed_y + move.dy
        return "legal"
      end
      local text = verdict.lost and "no answer from the server: rolled back"
        or ("illegal: %s: rolled back"):format(verdict.reason or "no reason given")
      self:say(text)
      return text
    end
  end
  return "a verdict for something else"
end

local on = {}

function on.welcome(self, d)
  self.me, self.map, self.coin, self.score = d.you, d.map, d.coin, 0
  self.confirmed_x, self.confirmed_y = d.x, d.y -- what is unjudged still will be, from here
  self.others = {}
  for _, p in ipairs(d.players) do self.others[p[1]] = { x = p[2], y = p[3], score = p[4] } end
  self:say(("you are %s"):format(d.you))
end

function on.map(self, d)
  self.map, self.coin = d.map, d.coin
  self:say "the rules were reloaded"
end

function on.joined(self, d)
  self.others[d[1]] = { x = d[2], y = d[3], score = d[4] }
  self:say(("%s joined"):format(d[1]))
end

function on.left(self, letter)
  self.others[letter] = nil
  self:say(("%s left"):format(letter))
end

function on.moved(self, d)
  if d[1] == self.me then
    self.confirmed_x, self.confirmed_y = d[2], d[3]
  else
    local other = self.others[d[1]] or { score = 0 }
    other.x, other.y = d[2], d[3]
    self.others[d[1]] = other
  end
end

function on.scored(self, d)
  self.coin = { d[3], d[4] }
  if d[1] == self.me then self.score = d[2]
  elseif self.others[d[1]] then self.others[d[1]].score = d[2] end
  self:say(("%s has the coin: %d"):format(d[1] == self.me and "you" or d[1], d[2]))
end

--- A notify; false: not one of the arena's.
function Arena:notified(notify)
  local handle = notify.name and on[notify.name]
  if not handle then return false end
  handle(self, notify.data)
  return true
end

--- The map as lines of text; paint(kind, char) may colour "wall", "floor", "coin", "me", "other".
function Arena:draw(paint)
  paint = paint or function(_, char) return char end
  local figures = {}
  if self.coin then figures[self.coin[2] * 1000 + self.coin[1]] = paint("coin", "$") end
  for letter, p in pairs(self.others) do figures[p.y * 1000 + p.x] = paint("other", letter) end
  if self.me then
    local x, y = self:place()
    figures[y * 1000 + x] = paint("me", self.me)
  end
  local lines = {}
  for y, row in ipairs(self.map) do
    local out = {}
    for x = 1, #row do
      local char = row:sub(x, x)
      out[x] = figures[y * 1000 + x] or paint(char == "#" and "wall" or "floor", char)
    end
    lines[y] = table.concat(out)
  end
  return lines
end

return M
