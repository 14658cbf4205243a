// The label round.

export function mount(element, app) {}
