#version 300 es
// A warm lamp, a cool one, and a rim of light where the surface turns away.
precision highp float;
in vec3 world;
in vec3 normal;
in vec2 uv;
in vec3 colour;
uniform sampler2D image;
uniform vec3 eye;
uniform vec3 tint;
uniform float opacity;
out vec4 pixel;

vec3 lamp(vec3 place, vec3 light, vec3 base, vec3 n, vec3 v) {
    vec3 l = normalize(place - world);
    float shine = pow(max(dot(n, normalize(l + v)), 0.0), 40.0);
    return light * (base * max(dot(n, l), 0.0) + 0.6 * shine);
}

void main() {
    vec3 n = normalize(normal);
    vec3 v = normalize(eye - world);
    vec3 base = tint * colour * texture(image, uv).rgb;
    vec3 lit = base * vec3(0.36, 0.31, 0.42);
    lit += lamp(vec3(3.0, 4.0, 4.0), vec3(1.00, 0.88, 0.74), base, n, v);
    lit += lamp(vec3(-5.0, 1.5, 2.0), vec3(0.22, 0.30, 0.52), base, n, v);
    float rim = pow(1.0 - max(dot(n, v), 0.0), 3.0);
    lit += rim * vec3(0.55, 0.33, 0.22);
    pixel = vec4(lit, mix(opacity, 1.0, rim));
}
