"""Tables that sort by a column on a click: a few lines that run in the page, which loads nothing.

Without them, as in a browser that runs no scripts, the tables are the same but for their order.
"""

SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  const head = table.tHead?.rows[0], body = table.tBodies[0];
  if (!head || body.rows.length < 2 || body.querySelector("img")) continue;
  [...head.cells].forEach((cell, column) => {
    const button = document.createElement("button");
    button.append(...cell.childNodes);
    cell.append(button);
    button.onclick = () => {
      const sign = cell.ariaSort === "ascending" ? -1 : 1;
      for (const other of head.cells) other.removeAttribute("aria-sort");
      cell.ariaSort = sign === 1 ? "ascending" : "descending";
      const read = row => row.cells[column].textContent;
      const number = row => Number.parseFloat(read(row));
      const missing = row => Number.isNaN(number(row));
      const numbers = [...body.rows].some(row => !missing(row));
      body.append(...[...body.rows].sort((a, b) =>
        !numbers ? sign * read(a).localeCompare(read(b))
        : missing(a) || missing(b) ? missing(a) - missing(b)
        : sign * (number(a) - number(b))));
    };
  });
}
"""
