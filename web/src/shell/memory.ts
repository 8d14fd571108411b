// Small values that the browser remembers between visits, such as the language.
// Storage throws if the reader forbids it. A preference that cannot be stored must not break the page.

/** The stored value, or `null` if there is none or if storage is not available. */
export function remembered(key: string, storage = () => localStorage): string | null {
  try {
    return storage().getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string, storage = () => localStorage): void {
  try {
    storage().setItem(key, value);
  } catch {
    // The preference then lasts until the page is closed.
  }
}
