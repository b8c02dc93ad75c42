// What became different between two slates.

// Marks by item id: "new", or by how many places it went up (above 0) or down (below); absent: where it was.
export function changesBetween(before, after) {
  const earlier = new Map(before.map((item, row) => [item.id, row]));
  const marks = new Map();
  after.forEach((item, row) => {
    if (!earlier.has(item.id)) marks.set(item.id, "new");
    else if (earlier.get(item.id) !== row) marks.set(item.id, earlier.get(item.id) - row);
  });
  const present = new Set(after.map((item) => item.id));
  const gone = before.filter((item) => !present.has(item.id));
  return { marks, gone };
}
