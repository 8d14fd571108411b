// Storage throws where the reader forbids it; a preference that can't be kept is no reason to show nothing.

export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Holds for this page only.
  }
}
