// What part of the world the map shows: Mercator, in pixels a degree of longitude.

/** Where the workshop's map stands. */
export const HOME = { longitude: -73.985184, latitude: 40.749167 };
/** Pixels a degree of longitude: from half a continent to a street corner. */
const SCALE_MIN = 60;
const SCALE_MAX = 400000;
const RADIANS = Math.PI / 180;

/** Degrees of latitude, stretched as Mercator does. @param {number} latitude */
export const stretch = (latitude) => Math.log(Math.tan(Math.PI / 4 + (Math.max(-85, Math.min(85, latitude)) * RADIANS) / 2)) / RADIANS;
const unstretch = (y) => (2 * Math.atan(Math.exp(y * RADIANS)) - Math.PI / 2) / RADIANS;

/** A view of the map, moved by whoever looks. */
export class View {
  width = 1;
  height = 1;
  scale = 6000;
  longitude = HOME.longitude;
  y = stretch(HOME.latitude);

  /** @param {number} longitude @param {number} latitude @returns {[number, number]} pixels */
  toScreen(longitude, latitude) {
    return [this.width / 2 + (longitude - this.longitude) * this.scale, this.height / 2 - (stretch(latitude) - this.y) * this.scale];
  }

  /** @param {number} x @param {number} y @returns {[number, number]} longitude and latitude */
  toWorld(x, y) {
    return [this.longitude + (x - this.width / 2) / this.scale, unstretch(this.y - (y - this.height / 2) / this.scale)];
  }

  /** @param {number} x pixels to the right @param {number} y pixels down */
  pan(x, y) {
    this.longitude = Math.max(-180, Math.min(180, this.longitude - x / this.scale));
    this.y = Math.max(-170, Math.min(170, this.y + y / this.scale));
  }

  /** Zooms around a pixel, which stays where it is. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const [longitude, latitude] = this.toWorld(x, y);
    this.scale = Math.max(SCALE_MIN, Math.min(SCALE_MAX, this.scale * factor));
    const [nowX, nowY] = this.toScreen(longitude, latitude);
    this.pan(x - nowX, y - nowY);
  }

  /** @param {number} longitude @param {number} latitude */
  centre(longitude, latitude) {
    this.longitude = longitude;
    this.y = stretch(latitude);
  }

  /** Shows a box of the world, with room around it. */
  fit(west, south, east, north) {
    this.centre((west + east) / 2, unstretch((stretch(south) + stretch(north)) / 2));
    const wide = (this.width * 0.8) / Math.max(east - west, 0.01);
    const high = (this.height * 0.8) / Math.max(stretch(north) - stretch(south), 0.01);
    this.scale = Math.max(SCALE_MIN, Math.min(60000, wide, high));
  }

  /** Metres that a pixel is wide in the middle of the view. */
  metresPerPixel() {
    return (111320 * Math.cos(unstretch(this.y) * RADIANS)) / this.scale;
  }
}
