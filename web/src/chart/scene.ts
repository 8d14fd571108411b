import type { Reader } from "../i18n/reader";
import type { Palette } from "../theme/palette";

/** What a builder of options knows of the page. */
export interface Scene {
  reader: Reader;
  palette: Palette;
  /** In CSS pixels. */
  width: number;
  /** False where the reader prefers reduced motion. */
  animate: boolean;
}
