// The table of records.

export function mount(element, app) {
  const list = document.createElement("ol");
  list.setAttribute("role", "grid");
  element.append(list);
  app.on("filter", async () => {
    const { rows } = await app.api("/api/rows", { filter: app.state.get("filter"), from: 0, to: 100, columns: "source,age,sex" });
    list.replaceChildren(
      ...rows.map((row) => {
        const item = document.createElement("li");
        item.setAttribute("role", "row");
        item.textContent = `${row.record_id} ${row.source} ${row.classes.join(" ")}`;
        item.addEventListener("click", () => app.open(row.row));
        return item;
      }),
    );
  });
}
