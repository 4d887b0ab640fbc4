// Choices that this browser remembers; a private window may refuse to store them, and then they hold for the page alone.
export const recall = key => { try { return localStorage.getItem(key); } catch { return null; } };
export const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* private window */ } };
