// @ts-check
/** What each key does, as the app hears it and its help sheet says it. */

/**
 * `keys` as they are written, `words` a key of the catalogue. What a browser keeps for itself is not here, and
 * what it uses only where it helps more here.
 * @type {{ keys: string, words: string }[]}
 */
export const KEYS = [
  { keys: "Control+K", words: "key search" },
  { keys: "Control+F", words: "key search chat" },
  { keys: "Alt+ArrowDown", words: "key next" },
  { keys: "Alt+ArrowUp", words: "key previous" },
  { keys: "Alt+End", words: "key latest" },
  { keys: "F6", words: "key region" },
  { keys: "Shift+F6", words: "key region back" },
  { keys: "Alt+N", words: "key new" },
  { keys: "Control+Shift+M", words: "key mute" },
  { keys: "Control+,", words: "key settings" },
  { keys: "Control+L", words: "key lock" },
  { keys: "Escape", words: "key escape" },
  { keys: "?", words: "key help" },
  { keys: "Control+/", words: "key help" },
  { keys: "Shift+F10", words: "key menu" },
  { keys: "Enter", words: "key send" },
  { keys: "Shift+Enter", words: "key line" },
];
