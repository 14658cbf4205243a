// The filters.

export function mount(element, app) {}
