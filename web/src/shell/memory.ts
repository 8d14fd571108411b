// Storage throws where the reader forbids it; a preference that can't be kept is no reason to show nothing.

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
    // Holds for this page only.
  }
}
