#version 300 es
// An evening sky: dark above, a glow where the sun went down.
precision highp float;
in vec2 place;
uniform float horizon;
uniform float aspect;
out vec4 pixel;

void main() {
    float height = clamp((place.y - horizon) / (1.0 - horizon), 0.0, 1.0);
    vec3 sky = mix(vec3(0.42, 0.29, 0.56), vec3(0.05, 0.07, 0.18), pow(height, 0.7));
    vec2 sun = vec2(place.x * aspect * 0.55, (place.y - horizon) * 1.5);
    float glow = exp(-2.2 * dot(sun, sun));
    pixel = vec4(mix(sky, vec3(1.0, 0.70, 0.42), 0.9 * glow), 1.0);
}
