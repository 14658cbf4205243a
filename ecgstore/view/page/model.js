// The model panel.

export function mount(element, app) {}
