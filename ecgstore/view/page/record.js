// The record panel.

export function mount(element, app) {
  const title = document.createElement("h2");
  element.append(title);
  app.on("record", (record) => {
    title.textContent = record ? record.record_id : "";
  });
}
